package node

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything in the machine may take: it is slow, and the
// one that emulates it may be busy.
const patience = 90 * time.Second

// sh runs a shell's commands and gives what they print; a failure ends the test.
func sh(t testing.TB, format string, args ...any) string {
	t.Helper()
	script := fmt.Sprintf(format, args...)
	out, err := try(script)
	if err != nil {
		t.Fatalf("%s\n%v\n%s", script, err, out)
	}
	return strings.TrimSpace(out)
}

func try(script string) (string, error) {
	command := exec.Command("bash", "-euo", "pipefail", "-c", script)
	out, err := command.CombinedOutput()
	return string(out), err
}

// await runs a shell's commands until they succeed.
func await(t testing.TB, format string, args ...any) {
	t.Helper()
	script := fmt.Sprintf(format, args...)
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		out, err := try(script)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not so after %v: %s\n%v\n%s", patience, script, err, out)
		}
	}
}

// service is a program in the background, with its output in /out. A test may
// end it and begin it again.
type service struct {
	t       testing.TB
	name    string
	command []string
	process *exec.Cmd
}

// daemon starts a program and ends it when the test ends.
func daemon(t testing.TB, name string, command ...string) *service {
	t.Helper()
	lastWords(t, name)
	s := &service{t: t, name: name, command: command}
	s.begin()
	t.Cleanup(func() { s.end(syscall.SIGKILL) })
	return s
}

// begin starts the program.
func (s *service) begin() {
	s.t.Helper()
	s.process = launch(s.t, s.name, s.command)
}

// end sends the program a signal and waits until it is gone, as it may be already.
func (s *service) end(signal syscall.Signal) {
	_ = s.process.Process.Signal(signal)
	_ = s.process.Wait()
}

// background starts one that stays until the machine ends.
func background(t testing.TB, name string, command ...string) {
	t.Helper()
	lastWords(t, name)
	launch(t, name, command)
}

// lastWords shows the end of a program's output if the test fails.
func lastWords(t testing.TB, name string) {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			said, _ := try("tail -n 15 /out/" + name + ".log")
			t.Logf("%s said last:\n%s", name, said)
		}
	})
}

func launch(t testing.TB, name string, command []string) *exec.Cmd {
	t.Helper()
	process := exec.Command(command[0], command[1:]...)
	log, err := os.OpenFile("/out/"+name+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	process.Stdout, process.Stderr = log, log
	process.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	return process
}

// once makes what is started for the first test that needs it and stays for all.
var once struct{ udev, vswitch, lan, cluster sync.Once }

// udev starts what NetworkManager needs: a bus, and udev, which tells of devices.
// Debian's rule by which it leaves veths alone is taken away, for others lack it.
func udev(t testing.TB) {
	t.Helper()
	once.udev.Do(func() {
		sh(t, `sed -i '/ID_NET_DRIVER}=="veth"/d' /usr/lib/udev/rules.d/85-nm-unmanaged.rules
			dbus-uuidgen >/etc/machine-id
			dbus-daemon --system --fork
			/usr/lib/systemd/systemd-udevd --daemon
			udevadm trigger --action=add --subsystem-match=net
			udevadm settle --timeout=60`)
	})
}

// networkManager runs NetworkManager as long as the test. It takes devices that
// have a profile only, as on a server.
func networkManager(t testing.TB) *service {
	t.Helper()
	udev(t)
	sh(t, `printf '[main]\nplugins=keyfile\nno-auto-default=*\n' >/etc/NetworkManager/conf.d/server.conf`)
	manager := daemon(t, "networkmanager", "NetworkManager", "--no-daemon", "--log-level=INFO")
	await(t, "nmcli -t general >/dev/null")
	return manager
}

// openVSwitch runs Open vSwitch and ovn-controller as on a node, with the
// kernel's datapath, for all tests.
func openVSwitch(t testing.TB) {
	t.Helper()
	once.vswitch.Do(func() {
		background(t, "ovs-first", "env", "OVN_DB_IPS="+outsideAddress, "KUBE_NODE_NAME=first", "OVS_DATAPATH=kernel", "bash", "/in/start-ovs.sh")
		await(t, "ovs-appctl dpif/show")
	})
	t.Logf("datapath=%s", datapath(t, here))
}

// place is where a node's programs run: namespaces of network and mounts.
type place []string

// here is the machine itself, which is the first node.
var here place

// netns is a place in a network namespace.
func netns(name string) place { return place{"ip", "netns", "exec", name} }

// on gives the words that run a command at a place.
func (p place) on(command string) string { return strings.Join(append(p, command), " ") }

// datapath is the type of a node's datapath: "system" is the kernel's. It is
// that of a bridge, so there is one while it is asked.
func datapath(t testing.TB, at place) string {
	t.Helper()
	defer sh(t, "%s", at.on("ovs-vsctl del-br br-probe"))
	sh(t, "%s", at.on("ovs-vsctl --timeout=60 add-br br-probe"))
	kind, _, _ := strings.Cut(sh(t, "%s", at.on("ovs-appctl dpif/show")), "@")
	if kind != "system" {
		t.Fatalf("the datapath is %q, not the kernel's", kind)
	}
	return kind
}
