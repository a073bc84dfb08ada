package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const nb, sb = "/run/ovn/ovnnb_db.ctl", "/run/ovn/ovnsb_db.ctl"

// central starts three replicas, the founder last, so that it has to wait for
// the others before it knows that there is no cluster.
func central(t *testing.T, lower []string) []*container {
	t.Helper()
	addresses := []string{"10.99.0.1", "10.99.0.2", "10.99.0.3"}
	net := newNetwork(t, addresses...)
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
	deadline := time.Now().Add(20 * time.Second)
	for strings.Count(status(replicas[1], nb, "OVN_Northbound"), " at tcp:") != 3 ||
		strings.Count(status(replicas[1], sb, "OVN_Southbound"), " at tcp:") != 3 {
		if time.Now().After(deadline) {
			t.Fatalf("not three members:\n%s", status(replicas[1], nb, "OVN_Northbound"))
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func TestCentralStartsAgainWhatDies(t *testing.T) {
	lower := layers(t)
	net := newNetwork(t, "10.99.0.1")
	c := net.container(t, lower, "OVN_DB_IPS=10.99.0.1", "POD_IP=10.99.0.1", "start-central.sh")
	c.eventually("", "healthy-central.sh", "ready")
	for _, daemon := range []string{"ovn-northd", "ovnnb_db", "ovnsb_db"} {
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
	lower := layers(t)
	net := newNetwork(t, "10.99.0.1")
	db := net.container(t, lower, "OVN_DB_IPS=10.99.0.1", "POD_IP=10.99.0.1", "start-central.sh")
	db.eventually("", "healthy-central.sh", "ready")
	c := net.container(t, lower,
		"OVN_DB_IPS=10.99.0.1", "KUBE_NODE_NAME=worker", "OVS_DATAPATH=userspace", "start-ovs.sh")
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
	for range 5 {
		c.eventually("", "sh", "-c", "kill -9 $(cat /run/ovn/ovn-controller.pid)")
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
