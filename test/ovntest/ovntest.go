// Package ovntest runs a real OVN northbound database, and if asked the
// southbound one with ovn-northd, for tests and benchmarks. The programs come
// from the cached Debian root filesystem that hack/rootfs.sh makes.
//
//	db := ovntest.Northbound(t)      // a database alone, 50 ms
//	net := ovntest.Start(t)          // with ovn-northd behind it
//	net.Sync()                       // northd has seen all that was written
//	net.Trace("net1", `inport == "a.ns" && …`)
//
// What it starts ends with the test, also when the test process is killed.
package ovntest

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Network is a whole OVN without chassis: both databases and ovn-northd, which
// is enough to ask what would become of a packet.
type Network struct {
	NB, SB *Database

	t      testing.TB
	in     installation
	northd process
}

// Start starts both databases and ovn-northd.
func Start(t testing.TB) *Network {
	t.Helper()
	n := &Network{NB: Northbound(t), SB: Southbound(t), t: t, in: installed(t)}
	control := filepath.Join(folder(t), "northd")
	n.northd = process{
		t: t, name: "ovn-northd", log: control + ".log",
		command: func() *exec.Cmd {
			return n.in.command("usr/bin/ovn-northd", "--ovnnb-db="+n.NB.Endpoint, "--ovnsb-db="+n.SB.Endpoint,
				"--unixctl="+control+".ctl", "-vconsole:warn", "--no-chdir")
		},
		ready: listening(control + ".ctl"),
	}
	n.northd.start()
	t.Cleanup(n.northd.kill)
	n.NBCtl("init")
	return n
}

// NorthdProcess is ovn-northd's id, to read its share of the machine from /proc.
func (n *Network) NorthdProcess() int { return n.northd.running.Process.Pid }

// NBCtl runs ovn-nbctl, to arrange and to look, and gives what it prints.
func (n *Network) NBCtl(args ...string) string {
	n.t.Helper()
	return n.in.run(n.t, "usr/bin/ovn-nbctl", append([]string{"--db=" + n.NB.Endpoint}, args...)...)
}

// SBCtl runs ovn-sbctl.
func (n *Network) SBCtl(args ...string) string {
	n.t.Helper()
	return n.in.run(n.t, "usr/bin/ovn-sbctl", append([]string{"--db=" + n.SB.Endpoint}, args...)...)
}

// Sync returns once ovn-northd has carried out all that was written before.
func (n *Network) Sync() {
	n.t.Helper()
	n.NBCtl("--timeout=60", "--wait=sb", "sync")
}

// Trace says, in ovn-trace's minimal form, what becomes of a packet that enters
// a logical switch: lines such as `output("b.ns");`, or nothing if it is
// dropped. The microflow names the inport, as in
//
//	inport == "a.ns" && eth.src == … && eth.dst == … && ip4.src == … && ip4.dst == … && ip.ttl == 64 && icmp4
//
// Options are more of ovn-trace's own, such as --ct=new.
func (n *Network) Trace(datapath, microflow string, options ...string) string {
	n.t.Helper()
	args := append([]string{"--db=" + n.SB.Endpoint, "--minimal"}, options...)
	out := n.in.run(n.t, "usr/bin/ovn-trace", append(args, datapath, microflow)...)
	lines := strings.Split(out, "\n")
	kept := lines[:0]
	for _, line := range lines {
		if line != "" && !strings.HasPrefix(line, "#") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

// Northd is the process id of ovn-northd, to read its share of the machine.
func (n *Network) Northd() int { return n.northd.running.Process.Pid }
