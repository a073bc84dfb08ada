package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const nb, sb = "/run/ovn/ovnnb_db.ctl", "/run/ovn/ovnsb_db.ctl"

// central starts three replicas, the founder last, so that it has to ask the
// others before it knows that there is no cluster.
func central(t *testing.T, lower []string, spare ...string) []*container {
	t.Helper()
	addresses := []string{"10.99.0.1", "10.99.0.2", "10.99.0.3"}
	net := newNetwork(t, append(spare, addresses...)...)
	replicas := make([]*container, len(addresses))
	for i := len(addresses) - 1; i >= 0; i-- {
		replicas[i] = net.container(t, lower,
			"OVN_DB_IPS="+strings.Join(addresses, ","), "POD_IP="+addresses[i], "start-central.sh")
	}
	for _, replica := range replicas {
		replica.eventually("", "healthy-central.sh", "ready")
	}
	return replicas
}

func status(c *container, control, database string) string {
	out, _ := c.try("ovs-appctl", "--timeout=5", "-t", control, "cluster/status", database)
	return out
}

func leads(c *container) bool {
	return strings.Contains(status(c, nb, "OVN_Northbound"), "Role: leader")
}

// leader returns nil while nobody leads.
func leader(replicas []*container) *container {
	i := slices.IndexFunc(replicas, leads)
	if i < 0 {
		return nil
	}
	return replicas[i]
}

func TestCentralHandsLeadershipOnAndKeepsItsData(t *testing.T) {
	lower := layers(t)
	replicas := central(t, lower)
	old := leader(replicas)
	if old == nil {
		t.Fatal("nobody leads")
	}
	old.run("ovn-nbctl", "ls-add", "kept")
	if took := old.stop(); took > 5*time.Second {
		t.Errorf("stopping took %s", took)
	}
	others := slices.DeleteFunc(slices.Clone(replicas), func(c *container) bool { return c == old })
	deadline := time.Now().Add(1500 * time.Millisecond) // an election by time-out takes 2 to 4 s
	for leader(others) == nil {
		if time.Now().After(deadline) {
			t.Fatal("leadership was not handed on")
		}
	}
	if !leader(others).logged("received leadership transfer") {
		t.Error("the new leader was elected, not appointed")
	}
	old.start()
	old.eventually("", "healthy-central.sh", "ready")
	old.eventually("kept", "ovn-nbctl", "--no-leader-only", "ls-list")
}

func TestCentralThatLostItsDiskReplacesItself(t *testing.T) {
	lower := layers(t)
	replicas := central(t, lower)
	founder := replicas[0]
	replicas[1].eventually("", "ovn-nbctl", "--no-leader-only", "ls-list")
	founder.stop()
	for _, name := range []string{"ovnnb_db.db", "ovnsb_db.db"} {
		if err := os.Remove(filepath.Join(founder.disk, name)); err != nil {
			t.Fatal(err)
		}
	}
	founder.start()
	founder.eventually("", "healthy-central.sh", "ready")
	threeMembers(t, replicas[1])
}

func threeMembers(t *testing.T, c *container) {
	t.Helper()
	for database, control := range map[string]string{"OVN_Northbound": nb, "OVN_Southbound": sb} {
		deadline := time.Now().Add(20 * time.Second)
		for strings.Count(status(c, control, database), " at ") != 3 {
			if time.Now().After(deadline) {
				t.Fatalf("not three members:\n%s", status(c, control, database))
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
}

func TestCentralStartsAgainWhatDies(t *testing.T) {
	lower := layers(t)
	net := newNetwork(t, "10.99.0.1")
	c := net.container(t, lower, "OVN_DB_IPS=10.99.0.1", "POD_IP=10.99.0.1", "start-central.sh")
	c.eventually("", "healthy-central.sh", "ready")
	for _, daemon := range []string{"ovn-northd", "ovnnb_db", "ovnsb_db"} {
		c.eventually("", "test", "-s", "/run/ovn/"+daemon+".pid")
		c.run("sh", "-c", "kill -9 $(cat /run/ovn/"+daemon+".pid)")
		c.eventually("", "healthy-central.sh", "live")
		c.eventually("", "healthy-central.sh", "ready")
	}
	c.eventually("active", "ovn-appctl", "-t", "ovn-northd", "status")
}

// A single replica whose node got another address keeps its content.
func TestCentralFollowsItsAddress(t *testing.T) {
	lower := layers(t)
	net := newNetwork(t, "10.99.0.1", "10.99.0.9")
	c := net.container(t, lower, "OVN_DB_IPS=10.99.0.1", "POD_IP=10.99.0.1", "start-central.sh")
	c.eventually("", "healthy-central.sh", "ready")
	c.run("ovn-nbctl", "ls-add", "kept")
	c.stop()
	c.command = []string{"OVN_DB_IPS=10.99.0.9", "POD_IP=10.99.0.9", "start-central.sh"}
	c.start()
	c.eventually("kept", "ovn-nbctl", "--db=tcp:10.99.0.9:6641", "ls-list")
}

// One of three that got another address is a new member, and the old one goes.
func TestCentralMemberFollowsItsAddress(t *testing.T) {
	replicas := central(t, layers(t), "10.99.0.8")
	moved := replicas[0]
	moved.stop()
	moved.command = []string{"OVN_DB_IPS=10.99.0.8,10.99.0.2,10.99.0.3", "POD_IP=10.99.0.8", "start-central.sh"}
	moved.start()
	moved.eventually("", "healthy-central.sh", "ready")
	threeMembers(t, replicas[1])
	if got := status(replicas[1], nb, "OVN_Northbound"); strings.Contains(got, "10.99.0.1:") {
		t.Errorf("the old member is still there:\n%s", got)
	}
}

// Turning TLS on keeps the content of a cluster, although none of its members
// has an address that the others know.
func TestCentralTurnsToTLS(t *testing.T) {
	replicas := central(t, layers(t))
	replicas[2].eventually("", "ovn-nbctl", "--db=tcp:10.99.0.1:6641,tcp:10.99.0.2:6641,tcp:10.99.0.3:6641", "ls-add", "kept")
	for _, c := range replicas {
		c.stop()
	}
	certificates := makeCertificates(t)
	for _, c := range replicas {
		c.tls = certificates
		c.command = append([]string{"ENABLE_SSL=true"}, c.command...)
		c.start()
	}
	for _, c := range replicas {
		c.eventually("", "healthy-central.sh", "ready")
		c.eventually("kept", "ovn-nbctl", "--no-leader-only", "ls-list")
	}
	threeMembers(t, replicas[1])
	if out, err := replicas[0].try("ovn-nbctl", "--timeout=3", "--no-leader-only", "--db=tcp:10.99.0.1:6641", "ls-list"); err == nil {
		t.Errorf("a client without TLS was served: %s", out)
	}
}

// A single replica becomes three, although its node is the last to come back:
// two that know of no cluster do not make one.
func TestCentralGrows(t *testing.T) {
	lower := layers(t)
	all := []string{"10.99.0.1", "10.99.0.2", "10.99.0.3"}
	net := newNetwork(t, all...)
	// The one that is there need not be the first of the list.
	first := net.container(t, lower, "OVN_DB_IPS=10.99.0.2", "POD_IP=10.99.0.2", "start-central.sh")
	first.eventually("", "healthy-central.sh", "ready")
	first.run("ovn-nbctl", "ls-add", "kept")
	first.stop()
	first.command[0] = "OVN_DB_IPS=" + strings.Join(all, ",")
	var more []*container
	for _, address := range []string{"10.99.0.1", "10.99.0.3"} {
		more = append(more, net.container(t, lower, first.command[0], "POD_IP="+address, "start-central.sh"))
	}
	for deadline := time.Now().Add(30 * time.Second); !more[0].logged("nb: waiting for 10.99.0.2 to say"); {
		if time.Now().After(deadline) {
			t.Fatal("the first of the list waits for nobody")
		}
		time.Sleep(100 * time.Millisecond)
	}
	first.start()
	for _, c := range more {
		c.eventually("kept", "ovn-nbctl", "--no-leader-only", "ls-list")
	}
	threeMembers(t, first)
}

func TestCentralRefusesAnAddressThatNobodyKnows(t *testing.T) {
	lower := layers(t)
	net := newNetwork(t, "10.99.0.1")
	c := net.container(t, lower, "OVN_DB_IPS=10.99.0.2", "POD_IP=10.99.0.1", "start-central.sh")
	if err := c.process.Wait(); err == nil || !c.logged("10.99.0.1 is not among OVN_DB_IPS") {
		t.Errorf("ended with %v", err)
	}
}

// node starts a database and a node on it, in userspace.
func node(t *testing.T) *container {
	t.Helper()
	return nodeOf(t, layers(t), "userspace")
}

func nodeOf(t *testing.T, lower []string, datapath string) *container {
	t.Helper()
	net := newNetwork(t, "10.99.0.1")
	db := net.container(t, lower, "OVN_DB_IPS=10.99.0.1", "POD_IP=10.99.0.1", "start-central.sh")
	db.eventually("", "healthy-central.sh", "ready")
	c := net.container(t, lower,
		"OVN_DB_IPS=10.99.0.1", "KUBE_NODE_NAME=worker", "OVS_DATAPATH="+datapath, "start-ovs.sh")
	c.eventually("", "healthy-ovs.sh")
	c.run("ovs-vsctl", "set", "Open_vSwitch", ".",
		"external_ids:ovn-encap-type=geneve", "external_ids:ovn-encap-ip=10.99.0.1")
	db.eventually("hostname: worker", "ovn-sbctl", "show")
	return c
}

func TestNodeSettings(t *testing.T) {
	c := node(t)
	for key, want := range map[string]string{
		"ovn-remote": "tcp:10.99.0.1:6642", "hostname": "worker", "ovn-bridge": "br-int",
		"ovn-bridge-datapath-type": "netdev", "ovn-remote-probe-interval": "10000",
		"system-id": c.run("cat", "/etc/openvswitch/system-id.conf"),
	} {
		if got := strings.Trim(c.run("ovs-vsctl", "get", "Open_vSwitch", ".", "external_ids:"+key), `"`); got != want {
			t.Errorf("%s is %s, not %s", key, got, want)
		}
	}
	if got := c.run("ovs-vsctl", "get", "Open_vSwitch", ".", "other_config:userspace-tso-enable"); got != `"true"` {
		t.Errorf("userspace-tso-enable is %s", got)
	}
}

func TestNodeStartsAgainWhatDies(t *testing.T) {
	c := node(t)
	for _, pidFile := range []string{"/run/ovn/ovn-controller.pid", "/run/openvswitch/ovs-vswitchd.pid", "/run/openvswitch/ovsdb-server.pid"} {
		c.run("sh", "-c", "kill -9 $(cat "+pidFile+")")
		c.eventually("", "healthy-ovs.sh")
	}
	c.eventually("connected", "ovn-appctl", "-t", "ovn-controller", "connection-status")
}

func TestNodeGivesUpOnADaemonThatKeepsDying(t *testing.T) {
	c := node(t)
	for range 5 { // a process each time: one that is dead can be killed again for a moment
		c.eventually("", "sh", "-c", `pid=$(cat /run/ovn/ovn-controller.pid)
			[ "$pid" != "$(cat /run/killed)" ] && kill -9 $pid && echo $pid >/run/killed`)
	}
	if err := c.process.Wait(); err == nil || !c.logged("controller died five times within a minute") {
		t.Errorf("ended with %v", err)
	}
}

// What a power cut leaves of the database does not keep the node from starting,
// and the node stays who it was.
func TestNodeAfterAPowerCut(t *testing.T) {
	c := node(t)
	id := c.run("cat", "/etc/openvswitch/system-id.conf")
	c.kill()
	if err := os.WriteFile(filepath.Join(c.disk, "conf.db"), []byte("OVSDB JSON 12"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.start()
	c.eventually("", "healthy-ovs.sh")
	if got := c.run("cat", "/etc/openvswitch/system-id.conf"); got != id {
		t.Errorf("system-id changed from %s to %s", id, got)
	}
	if took := c.stop(); took > 5*time.Second {
		t.Errorf("stopping took %s", took)
	}
}

func TestNodeRefusesAKernelWithoutOpenvswitch(t *testing.T) {
	if _, err := os.Stat("/sys/module/openvswitch"); err == nil {
		t.Skip("this kernel has openvswitch")
	}
	lower := layers(t)
	net := newNetwork(t, "10.99.0.1")
	c := net.container(t, lower, "OVN_DB_IPS=10.99.0.1", "KUBE_NODE_NAME=worker", "OVS_DATAPATH=kernel", "start-ovs.sh")
	if err := c.process.Wait(); err == nil || !c.logged("this kernel has no module openvswitch") {
		t.Errorf("ended with %v", err)
	}
}

// pretendKernel is a layer in which the kernel seems to have openvswitch and
// vswitchd takes its dummy datapath for the kernel's: enough to see when it is
// told to go on, not what becomes of packets.
func pretendKernel(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	wrapper := "#!/bin/sh\nexec /usr/lib/openvswitch-switch/ovs-vswitchd --enable-dummy=system \"$@\"\n"
	if err := errors.Join(
		os.MkdirAll(root+"/sys/module/openvswitch", 0o755),
		os.MkdirAll(root+"/kube-ovn", 0o755),
		os.WriteFile(root+"/kube-ovn/ovs-vswitchd", []byte(wrapper), 0o755),
	); err != nil {
		t.Fatal(err)
	}
	return root
}

// A vswitchd that starts again keeps the kernel's flows until ovn-controller
// has filled br-int, and not longer.
func TestNodeHoldsFlowsOverARestart(t *testing.T) {
	c := nodeOf(t, append(layers(t), pretendKernel(t)), "kernel")
	c.eventually("geneve", "ovs-vsctl", "get", "Open_vSwitch", ".", "external_ids:ovn-encap-type")
	c.eventually("enough", "sh", "-c", "[ $(ovs-ofctl dump-flows br-int | wc -l) -gt 10 ] && echo enough")
	if c.logged("released") {
		t.Error("flows were held although there was no br-int yet")
	}
	c.run("mkdir", "-p", "/sys/class/net/ovs-system") // the kernel's datapath, which outlives vswitchd
	c.run("sh", "-c", "kill -9 $(cat /run/openvswitch/ovs-vswitchd.pid)")
	c.eventually("true", "ovs-vsctl", "--no-wait", "get", "Open_vSwitch", ".", "other_config:flow-restore-wait")
	c.eventually("gone", "sh", "-c", "ovs-vsctl --no-wait get Open_vSwitch . other_config:flow-restore-wait || echo gone")
	c.eventually("enough", "sh", "-c", "[ $(ovs-ofctl dump-flows br-int | wc -l) -gt 10 ] && echo enough")
	if !c.logged("flows of the datapath released") || c.logged("br-int has 0 rules") {
		t.Error("flows were released by the clock")
	}
}

// After a boot, a NIC that was taken over is out of its bridge before vswitchd runs:
// the host has its addresses on it again. Ports of another kind stay.
func TestNodeFreesNICsAfterABoot(t *testing.T) {
	c := nodeOf(t, append(layers(t), pretendKernel(t)), "kernel")
	for name, exchanged := range map[string]string{"br-lan": "false", "eth7": "true"} {
		c.run("ovs-vsctl", "--no-wait", "add-br", name, "--", "set", "Bridge", name, "external_ids:exchange-link-name="+exchanged,
			"--", "add-port", name, name+"-nic", "--", "add-port", name, name+"-in", "--", "set", "Interface", name+"-in", "type=internal")
	}
	c.run("ovs-vsctl", "--no-wait", "add-br", "br-port", "--", "add-port", "br-port", "eth8")
	c.kill()
	c.start()
	c.eventually("", "healthy-ovs.sh")
	for bridge, want := range map[string]string{"br-lan": "br-lan-in", "eth7": "eth7-in", "br-port": "eth8"} {
		if got := c.run("ovs-vsctl", "list-ports", bridge); got != want {
			t.Errorf("ports of %s are %q, want %q", bridge, got, want)
		}
	}
}
