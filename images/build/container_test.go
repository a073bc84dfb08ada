package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// layers unpacks nothing: the image's own directories are the container's root.
func layers(t *testing.T) []string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("containers need root")
	}
	cache := os.Getenv("HAWSER_CACHE")
	if cache == "" {
		cache = "/var/cache/hawser"
	}
	o := options{out: t.TempDir(), cache: cache, registry: "docker.io/hawser", tag: "test", version: "test"}
	image, err := o.ovn(t.Context(), runtime.GOARCH)
	if err != nil {
		t.Fatal(err)
	}
	return image.Layers
}

// network is a network namespace that several containers share, each with an
// address of its own on the loopback device. It ends with the test.
type network struct{ keeper *exec.Cmd }

func newNetwork(t *testing.T, addresses ...string) network {
	t.Helper()
	script := "ip link set lo up; "
	for _, address := range addresses {
		script += "ip addr add " + address + "/32 dev lo; "
	}
	keeper := exec.Command("sh", "-ec", script+"echo ready; exec sleep infinity")
	keeper.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	out, err := keeper.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread() // Pdeathsig is about the thread
	if err := keeper.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keeper.Process.Kill(); keeper.Wait() })
	if n, _ := out.Read(make([]byte, 5)); n == 0 {
		t.Fatal("no network namespace: is the package iproute2 installed?")
	}
	return network{keeper}
}

// boot makes the container's root and becomes its first process. /etc/ovn and
// /etc/openvswitch are the host's directories that outlive the container.
const boot = `set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$ROOT"
mkdir "$ROOT/upper" "$ROOT/work" "$ROOT/root"
mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=$ROOT/upper,workdir=$ROOT/work" "$ROOT/root"
cd "$ROOT/root"
mkdir -p proc sys dev run tmp old etc/ovn etc/openvswitch
mount -t proc proc proc; [ -d sys/module ] || mount -t sysfs sysfs sys; mount --rbind /dev dev; mount -t tmpfs tmpfs run
if [ -n "$TLS" ]; then mkdir run/tls; mount --bind "$TLS" run/tls; fi
mount --bind "$DISK" etc/ovn; mount --bind "$DISK" etc/openvswitch
pivot_root . old; umount -l /old
exec env -i PATH=/kube-ovn:/usr/sbin:/usr/bin "$@"`

// container runs a start script of the image.
type container struct {
	t       *testing.T
	net     network
	lower   []string
	disk    string
	tls     string   // directory with cacert, cert and key
	command []string // environment and script
	process *exec.Cmd
	log     string
}

func (n network) container(t *testing.T, lower []string, command ...string) *container {
	t.Helper()
	c := &container{t: t, net: n, lower: lower, disk: t.TempDir(), command: command}
	c.log = filepath.Join(t.TempDir(), "log")
	t.Cleanup(func() {
		c.kill()
		if t.Failed() {
			content, _ := os.ReadFile(c.log)
			t.Logf("log of %v:\n%s", command, content)
		}
	})
	c.start()
	return c
}

func (c *container) start() {
	c.t.Helper()
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		c.t.Fatal(err)
	}
	defer log.Close()
	space := fmt.Sprintf("--net=/proc/%d/ns/net", c.net.keeper.Process.Pid)
	c.process = exec.Command("nsenter", append([]string{space, "bash", "-c", boot, "boot"}, c.command...)...)
	lower := slices.Clone(c.lower)
	slices.Reverse(lower) // overlayfs names the highest first
	c.process.Env = append(os.Environ(), "ROOT="+c.t.TempDir(), "DISK="+c.disk, "TLS="+c.tls, "LOWER="+strings.Join(lower, ":"))
	c.process.Stdout, c.process.Stderr = log, log
	c.process.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
	}
	if err := c.process.Start(); err != nil {
		c.t.Fatal(err)
	}
}

func (c *container) kill() {
	c.process.Process.Kill()
	c.process.Wait()
}

// stop is what kubelet does; it returns how long the container took.
func (c *container) stop() time.Duration {
	c.t.Helper()
	began := time.Now()
	c.process.Process.Signal(syscall.SIGTERM)
	if err := c.process.Wait(); err != nil {
		c.t.Errorf("the container ended with %v", err)
	}
	return time.Since(began)
}

// try runs a command in the container.
func (c *container) try(command ...string) (string, error) {
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer cancel()
	pid := fmt.Sprint(c.process.Process.Pid)
	arguments := append([]string{"-t", pid, "-m", "-u", "-i", "-n", "-p", "env", "PATH=/kube-ovn:/usr/sbin:/usr/bin"}, command...)
	out, err := exec.CommandContext(ctx, "nsenter", arguments...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (c *container) run(command ...string) string {
	c.t.Helper()
	out, err := c.try(command...)
	if err != nil {
		c.t.Fatalf("%v: %v\n%s", command, err, out)
	}
	return out
}

// eventually repeats a command until its output has the text.
func (c *container) eventually(want string, command ...string) {
	c.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	var out string
	var err error
	for time.Now().Before(deadline) {
		if out, err = c.try(command...); err == nil && strings.Contains(out, want) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	c.t.Fatalf("%v never said %q but: %v\n%s", command, want, err, out)
}

func (c *container) logged(text string) bool {
	content, err := os.ReadFile(c.log)
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.Contains(string(content), text)
}

// makeCertificates makes an authority and one certificate that all peers show.
func makeCertificates(t *testing.T) string {
	t.Helper()
	directory := t.TempDir()
	script := `cd "$0"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=authority -keyout ca.key -out cacert
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=peer -keyout key -out request
openssl x509 -req -in request -CA cacert -CAkey ca.key -CAcreateserial -days 1 -out cert`
	if out, err := exec.Command("sh", "-ec", script, directory).CombinedOutput(); err != nil {
		t.Fatalf("openssl: %v\n%s", err, out)
	}
	return directory
}
