package takeover

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
	nodeplan "hawser/internal/nodeplan/takeover"
	"hawser/internal/vswitch"
	"hawser/test/kubeovn"
	"hawser/test/rootfs"
)

// kubeOVN runs Kube-OVN's own steps on the rig.
func (r *rig) kubeOVN(words ...string) {
	r.t.Helper()
	tree, err := rootfs.Find()
	r.must(err)
	dir := r.t.TempDir()
	vsctl := strings.Join(tree.Command("usr/bin/ovs-vsctl", "--db="+r.db.Endpoint, "--timeout=60"), " ")
	r.must(os.WriteFile(filepath.Join(dir, "ovs-vsctl"), []byte("#!/bin/sh\nexec "+vsctl+" \"$@\"\n"), 0o755))
	command := exec.Command("bash", append([]string{"-c", kubeovn.Takeover, "takeover.sh"}, words...)...)
	command.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "DATAPATH=netdev", "TMPDIR="+dir)
	if out, err := command.CombinedOutput(); err != nil {
		r.t.Fatalf("takeover.sh %v: %v: %s", words, err, out)
	}
}

// dumps are all that `ip -j` and the databases tell, byte by byte; only counters
// and clocks are left out.
func (r *rig) dumps() string {
	r.t.Helper()
	var out strings.Builder
	for _, words := range []string{"-j -d address show", "-j route show table all", "-6 -j route show table all", "-j rule show", "-6 -j rule show", "-j neigh show nud permanent"} {
		out.WriteString(r.run("ip", strings.Fields(words)...) + "\n")
	}
	for _, table := range [][]string{{"Open_vSwitch", "_uuid", "bridges", "external_ids", "other_config", "next_cfg"}, {"Bridge"},
		{"Port", "_uuid", "name", "external_ids", "interfaces", "other_config", "tag", "trunks"}, {"Interface", "_uuid", "name", "type", "external_ids", "other_config", "options", "mtu_request"}} {
		out.WriteString(r.db.Dump(table[0], table[1:]...))
	}
	return out.String()
}

// TestKubeOVNsIsKept: what a Kube-OVN made of a NIC is recognised, and stays as it
// is, byte by byte; a second look changes nothing either.
func TestKubeOVNsIsKept(t *testing.T) {
	for name, words := range map[string][]string{"plain": nil, "exchanged": {"exchange"}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, len(words) > 0)
			r.kubeOVN(append([]string{"take", "lan", "eth0"}, words...)...)
			r.settled()
			before := r.dumps()
			plan := r.planned()
			if len(plan.Steps) != 2 || plan.Steps[0].Action != host.ActionKeep {
				t.Fatalf("planned is\n%s", plan.Text())
			}
			for range 2 {
				r.must(r.settle(plan))
				if diff := cmp.Diff(before, r.dumps()); diff != "" {
					t.Fatalf("not as it was: %s", diff)
				}
			}
		})
	}
}

// TestKubeOVNsIsGivenBack: what was only kept becomes ours, and is taken back. Of what
// a NIC has, Kube-OVN's steps lose some, and that is not found again.
func TestKubeOVNsIsGivenBack(t *testing.T) {
	for name, words := range map[string][]string{"plain": nil, "exchanged": {"exchange"}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, len(words) > 0)
			r.kubeOVN(append([]string{"take", "lan", "eth0"}, words...)...)
			r.db.VSCtl("add-port", r.uplink.Bridge, "br-lan-vlan100", "--", "set", "Interface", "br-lan-vlan100", "type=internal", "--",
				"set", "Port", "br-lan-vlan100", "tag=100", "external_ids:vendor=kube-ovn") // goes with the bridge
			r.settled()
			plan := r.planned()
			r.must(r.settle(plan))
			own, kept := nodeplan.Own(plan)
			if !kept {
				t.Fatalf("not kept:\n%s", plan.Text())
			}
			lost := r.listen()
			r.must(r.settle(own))
			r.must(r.settle(host.Plan{}))
			lost()
			if bridges := strings.TrimSpace(r.db.VSCtl("list-br")); bridges != "" {
				t.Errorf("left: %s", bridges)
			}
			if on := r.run("ip", "-o", "address", "show", "dev", "eth0"); !strings.Contains(on, hostIP) {
				t.Errorf("%s is not on eth0: %s", hostIP, on)
			}
			r.await(func() bool { return !strings.Contains(r.run("ip", "-o", "link"), "br-lan") })
		})
	}
}

// planned is what the planner makes of the rig.
func (r *rig) planned() host.Plan {
	r.t.Helper()
	a := r.agent(plain)
	defer a.close()
	snapshot, err := a.links.Snapshot(r.t.Context())
	r.must(err)
	snapshot.Bridges = vswitch.Uplinks{Client: a.local}.Bridges()
	has, err := a.takeover.Belongings(r.t.Context(), "eth0")
	r.must(err)
	result, problem := nodeplan.Plan(nodeplan.Input{
		Host: snapshot, Has: has, Userspace: true,
		Node: &kubeovnv1.ProviderNetworkNode{Spec: kubeovnv1.ProviderNetworkNodeSpec{
			ProviderNetwork: "lan", Interfaces: []string{"eth0"}, ExchangeLinkName: r.uplink.Exchange,
		}},
	})
	if problem != nil {
		r.t.Fatalf("%s: %s", problem.Reason, problem.Message)
	}
	return result.Plan
}

// TestBelongings are told to people and plans in their words.
func TestBelongings(t *testing.T) {
	r := newRig(t, false)
	c, err := Open(Options{})
	r.must(err)
	defer c.Close()
	has, err := c.Belongings(t.Context(), "eth0")
	r.must(err)
	told := strings.Join(has.Lines(), "\n")
	for _, line := range []string{
		"address 192.0.2.10/24", "address 192.0.2.100/24 label eth0:vip secondary", "address 2001:db8::10/64",
		"route 0.0.0.0/0 via 192.0.2.254 dev eth0 src 192.0.2.10 metric 100",
		"route 10.2.0.0/16 nexthop via 192.0.2.254 dev eth0 weight 3 nexthop via 198.51.100.254 dev eth1 weight 1",
		"route 10.3.0.0/16 via 172.31.255.1 dev eth0 onlink", "route 10.4.0.0/16 dev eth0 table 100",
		"rule 1000: iif eth0 lookup 100", "rule 1001: oif eth0 lookup 100",
		"neighbour 192.0.2.77 is 02:00:00:00:00:77", "neighbour 192.0.2.88 by proxy", "setting net/ipv4/conf/eth0/rp_filter=1",
	} {
		if !strings.Contains(told+"\n", line+"\n") {
			t.Errorf("%q is missing in\n%s", line, told)
		}
	}
	if none, err := c.Belongings(t.Context(), "eth7"); err != nil || len(none.Lines()) > 0 {
		t.Errorf("a NIC that is not there has %v (%v)", none, err)
	}
}
