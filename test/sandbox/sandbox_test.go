package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hawser/test/sandbox/cluster"
	"hawser/test/sandbox/machine"
)

// asProgram makes the test binary act as the sandbox program.
const asProgram = "SANDBOX_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	machine.Enter()
	if os.Getenv(asProgram) != "" {
		if err := root().ExecuteContext(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, "sandbox:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// bench is a sandbox of the test's own, beside any other on this machine.
type bench struct {
	t     *testing.T
	state string
}

func newBench(t *testing.T) bench {
	if os.Geteuid() != 0 {
		t.Skip("a sandbox needs root")
	}
	// Not below t.TempDir: its name is the cgroup's, and a fixed one shows up
	// when an earlier run left something.
	b := bench{t, "/var/lib/hawser-sandbox-self"}
	b.run("down")
	t.Cleanup(func() {
		if t.Failed() {
			b.try("report", "--out", filepath.Join(os.TempDir(), "sandbox-test-report.tar.gz"))
		}
		b.try("down")
	})
	return b
}

func (b bench) command(args ...string) *exec.Cmd {
	command := exec.Command("/proc/self/exe", args...)
	command.Env = append(os.Environ(), asProgram+"=1", "HAWSER_SANDBOX="+b.state)
	return command
}

func (b bench) try(args ...string) (string, error) {
	var stderr bytes.Buffer
	command := b.command(args...)
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		err = fmt.Errorf("sandbox %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out), err
}

func (b bench) run(args ...string) string {
	b.t.Helper()
	out, err := b.try(args...)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

func (b bench) cluster() *cluster.Cluster {
	b.t.Helper()
	c, err := cluster.Open(cluster.Place{Dir: b.state, Say: b.t.Logf})
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// TestSandbox takes one cluster through its life: an up that is killed, one
// that goes on from there, a power cut, and down after killings.
func TestSandbox(t *testing.T) {
	b := newBench(t)
	before := hostState(t)

	t.Run("up goes on where a killed up stopped", func(t *testing.T) {
		first := b.command("up", "--no-fabric", "--nodes", "1")
		if err := first.Start(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, time.Minute, "the first machine", func() bool {
			found, _ := filepath.Glob(b.state + "/machines/*/machine.json")
			return len(found) > 0
		})
		if err := first.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = first.Wait()
		b.run("up", "--no-fabric", "--nodes", "1")
		b.run("status")
	})
	t.Run("a second up changes nothing", func(t *testing.T) {
		n1 := b.cluster().PID("n1")
		b.run("up", "--no-fabric", "--nodes", "1")
		if now := b.cluster().PID("n1"); now != n1 {
			t.Errorf("n1 was process %d and is %d now: it was booted again", n1, now)
		}
	})
	t.Run("the world outside answers", func(t *testing.T) {
		for _, url := range []string{"http://198.51.100.2/hostname", "http://[2001:db8:51::2]/hostname"} {
			if got := b.run("exec", "n1", "--", "curl", "-sS", "-m", "5", url); got != "outside" {
				t.Errorf("%s: %q", url, got)
			}
		}
	})
	t.Run("power off is a power cut", b.powerCut)
	t.Run("the control plane comes back with what it knew", func(t *testing.T) {
		b.run("kubectl", "--", "create", "namespace", "remembered")
		b.run("power", "off", "cp")
		if _, err := b.try("kubectl", "--", "get", "nodes"); err == nil || !strings.Contains(err.Error(), "power on cp") {
			t.Errorf("kubectl without a control plane: %v", err)
		}
		b.run("power", "on", "cp")
		b.run("kubectl", "--", "get", "namespace", "remembered")
	})
	t.Run("networks, NICs, hosts and routers", b.wiring)
	t.Run("the host's settings are out of reach", func(t *testing.T) {
		if _, err := b.try("exec", "n1", "--", "sysctl", "-w", "vm.swappiness=11"); err == nil {
			t.Error("a node can write the host's vm.swappiness")
		}
		if got := b.run("exec", "n1", "--", "cat", "/proc/sys/kernel/panic"); got != "10\n" {
			t.Errorf("a node sees kernel.panic %q, not what its kubelet wants", got)
		}
	})
	t.Run("down leaves nothing after killings", func(t *testing.T) { b.downAfterKillings(t, before) })
}

// powerCut sees that what is in memory goes and what is on disk stays.
func (b bench) powerCut(t *testing.T) {
	b.run("exec", "n1", "--", "tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", "1mbit", "burst", "10k", "latency", "10ms")
	b.run("exec", "n1", "--", "sh", "-c", "mkdir /sys/fs/bpf/mine && touch /run/mine /root/mine /etc/origin/mine")
	namespace := inode(t, b.cluster().Namespace("n1"))
	address := b.run("exec", "n1", "--", "cat", "/sys/class/net/eth0/address")

	b.run("power", "off", "n1")
	if _, err := b.try("status"); err == nil {
		t.Error("status does not say that a machine is off")
	}
	if users := usersOf(t, []uint64{namespace}); len(users) > 0 {
		t.Errorf("processes %v are still in the network namespace of n1", users)
	}
	if ports := b.run("netns", "underlay", "--", "ls", "/sys/class/net"); strings.Contains(ports, "n1") {
		t.Errorf("the cable of n1 is still in the LAN: %s", ports)
	}
	b.run("power", "on", "n1")

	if now := b.run("exec", "n1", "--", "tc", "qdisc", "show", "dev", "eth0"); strings.Contains(now, "tbf") {
		t.Errorf("the qdisc survived: %s", now)
	}
	for _, path := range []string{"/sys/fs/bpf/mine", "/run/mine", "/root/mine"} {
		if _, err := b.try("exec", "n1", "--", "test", "!", "-e", path); err != nil {
			t.Errorf("%s survived", path)
		}
	}
	if _, err := b.try("exec", "n1", "--", "test", "-e", "/etc/origin/mine"); err != nil {
		t.Error("the disk lost a file")
	}
	if now := b.run("exec", "n1", "--", "cat", "/sys/class/net/eth0/address"); now != address {
		t.Errorf("n1's MAC was %s and is %s", address, now)
	}
	if got := b.run("exec", "n1", "--", "ip", "-br", "address", "show", "eth0"); !strings.Contains(got, "172.30.0.11/24") || !strings.Contains(got, "fd00:30::11/64") {
		t.Errorf("n1's addresses: %s", got)
	}
}

// wiring adds a LAN with a NIC of a node, hosts on and off a VLAN and a router
// between them, twice, and sees that they are as real after power cuts.
func (b bench) wiring(t *testing.T) {
	for range 2 {
		b.run("lan", "add", "storage")
		b.run("nic", "add", "n1", "eth1", "--lan", "storage", "--address", "192.0.2.1/24")
		b.run("host", "add", "plain", "--lan", "storage", "--address", "192.0.2.3/24")
		b.run("host", "add", "tagged", "--lan", "underlay", "--vlan", "100", "--address", "203.0.113.3/24", "--gateway", "203.0.113.1")
		b.run("router", "add", "between", "--lan", "storage=192.0.2.2/24", "--lan", "underlay:100=203.0.113.1/24")
	}
	check := func() {
		t.Helper()
		b.run("exec", "n1", "--", "ip", "route", "replace", "203.0.113.0/24", "via", "192.0.2.2")
		b.run("exec", "plain", "--", "ip", "route", "replace", "203.0.113.0/24", "via", "192.0.2.2")
		for from, to := range map[string]string{"n1": "203.0.113.3", "plain": "192.0.2.1", "tagged": "192.0.2.2"} {
			b.run("exec", from, "--", "ping", "-c", "1", "-W", "3", to)
		}
		if got := b.run("exec", "n1", "--", "curl", "-sS", "-m", "5", "--retry", "5", "--retry-connrefused", "http://203.0.113.3/hostname"); got != "tagged" {
			t.Errorf("the host on VLAN 100 says %q", got)
		}
	}
	check()
	status := b.run("status")
	for _, part := range []string{"storage", "n1-eth1", "plain-eth0", "tagged-eth0:100", "between-eth1:100", "203.0.113.3"} {
		if !strings.Contains(status, part) {
			t.Errorf("status lacks %s:\n%s", part, status)
		}
	}
	mac := b.run("exec", "n1", "--", "cat", "/sys/class/net/eth1/address")
	for _, name := range []string{"n1", "tagged", "between"} {
		b.run("power", "off", name)
	}
	b.run("power", "on", "n1")
	b.run("up", "--no-fabric", "--nodes", "1")
	check()
	if now := b.run("exec", "n1", "--", "cat", "/sys/class/net/eth1/address"); now != mac {
		t.Errorf("the MAC of n1's eth1 was %s and is %s", mac, now)
	}
	b.capture(t)

	if _, err := b.try("lan", "remove", "storage"); err == nil || !strings.Contains(err.Error(), "n1 eth1") {
		t.Errorf("removing a LAN in use: %v", err)
	}
	for range 2 {
		b.run("host", "remove", "plain")
		b.run("nic", "remove", "n1", "eth1")
	}
	if links := b.run("exec", "n1", "--", "ls", "/sys/class/net"); strings.Contains(links, "eth1") {
		t.Errorf("n1 has %s", links)
	}
	if _, err := os.Stat(b.cluster().Namespace("plain")); err == nil {
		t.Error("the removed host's network is left")
	}
}

// capture looks at the wire: what a host on a VLAN says is tagged there.
func (b bench) capture(t *testing.T) {
	type result struct {
		text string
		err  error
	}
	seen := make(chan result)
	go func() {
		text, err := b.try("exec", "underlay", "--", "timeout", "20", "tcpdump", "-nei", "n1", "-c", "1", "arp", "or", "vlan")
		seen <- result{text, err}
	}()
	for {
		// Everybody is asked for, since nobody knows when the capture begins.
		_, _ = b.try("exec", "tagged", "--", "arping", "-c", "1", "-w", "1", "-I", "eth0", "203.0.113.77")
		select {
		case got := <-seen:
			if got.err != nil || !strings.Contains(got.text, "vlan 100") {
				t.Errorf("the capture has %q, %v", got.text, got.err)
			}
			return
		default:
		}
	}
}

// downAfterKillings kills what it can, half of the machines' first processes
// among it, and sees that down leaves no trace.
func (b bench) downAfterKillings(t *testing.T, before state) {
	c := b.cluster()
	group := machine.Group(filepath.Base(b.state))
	processes, err := group.Processes()
	if err != nil || len(processes) < 10 {
		t.Fatalf("processes of the sandbox: %v, %v", processes, err)
	}
	var namespaces []uint64
	for _, name := range append(c.Machines(), "underlay", "storage") {
		namespaces = append(namespaces, inode(t, c.Namespace(name)))
	}
	for _, victim := range []int{c.PID("n1"), processes[len(processes)-1], processes[len(processes)/2]} {
		if p, err := os.FindProcess(victim); err == nil {
			_ = p.Kill()
		}
	}

	b.run("down")
	if users := usersOf(t, namespaces); len(users) > 0 {
		t.Errorf("processes %v are still in the sandbox's networks", users)
	}
	if left, err := group.Processes(); err != nil || len(left) > 0 {
		t.Errorf("processes left: %v, %v", left, err)
	}
	if dirs := cgroupDirs(t, string(group)); len(dirs) > 0 {
		t.Errorf("cgroups left: %v", dirs)
	}
	if lines := mountsOf(t, b.state); len(lines) > 0 {
		t.Errorf("mounts left:\n%s", strings.Join(lines, "\n"))
	}
	for _, path := range []string{b.state, b.state + ".lock"} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s is left", path)
		}
	}
	after := hostState(t)
	for name, value := range before {
		if after[name] != value {
			t.Errorf("%s of this machine was\n%s\nand is\n%s", name, value, after[name])
		}
	}
}

// TestForeignDirectory: what is not a sandbox's is not touched.
func TestForeignDirectory(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a sandbox needs root")
	}
	b := bench{t, t.TempDir()}
	precious := filepath.Join(b.state, "precious")
	if err := os.WriteFile(precious, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"up", "down", "status"} {
		if _, err := b.try(command); err == nil || !strings.Contains(err.Error(), "left alone") {
			t.Errorf("%s: %v", command, err)
		}
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}

// state is what of the host a sandbox must not change.
type state map[string]string

func hostState(t *testing.T) state {
	t.Helper()
	s := state{}
	links, err := os.ReadDir("/sys/class/net")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		s["links"] += link.Name() + " "
	}
	for _, file := range []string{
		"/proc/net/route", "/proc/net/ipv6_route",
		"/proc/sys/kernel/panic", "/proc/sys/kernel/panic_on_oops", "/proc/sys/vm/overcommit_memory", "/proc/sys/fs/inotify/max_user_instances",
		"/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding",
	} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(file, "/proc/net/") {
			content = routesOnly(content)
		}
		s[file] = string(content)
	}
	return s
}

// routesOnly drops the counters, which move by themselves.
func routesOnly(content []byte) []byte {
	var lines []string
	for _, line := range strings.Split(string(content), "\n") {
		fields := strings.Fields(line)
		lines = append(lines, strings.Join(fields[:min(3, len(fields))], " "))
	}
	slices.Sort(lines)
	return []byte(strings.Join(lines, "\n"))
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	var number uint64
	out, err := exec.Command("stat", "-c", "%i", path).Output()
	if err == nil {
		number, err = strconv.ParseUint(strings.TrimSpace(string(out)), 10, 64)
	}
	if err != nil {
		t.Fatal(err)
	}
	return number
}

// usersOf lists processes in any of the network namespaces.
func usersOf(t *testing.T, namespaces []uint64) []string {
	t.Helper()
	var users []string
	found, err := filepath.Glob("/proc/[0-9]*/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range found {
		target, _ := os.Readlink(path) // net:[4026531840]; empty when the process has ended
		for _, namespace := range namespaces {
			if target == fmt.Sprintf("net:[%d]", namespace) {
				users = append(users, path)
			}
		}
	}
	return users
}

// mountsOf lists mounts that name a path, in every process' view.
func mountsOf(t *testing.T, path string) []string {
	t.Helper()
	found, err := filepath.Glob("/proc/[0-9]*/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, file := range found {
		content, _ := os.ReadFile(file)
		for _, line := range strings.Split(string(content), "\n") {
			if strings.Contains(line, path+"/") {
				lines = append(lines, file+": "+line)
			}
		}
	}
	return lines
}

func cgroupDirs(t *testing.T, name string) []string {
	t.Helper()
	var dirs []string
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == name {
			dirs = append(dirs, path)
		}
		return nil
	})
	return dirs
}

func waitFor(t *testing.T, within time.Duration, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, within)
		}
	}
}
