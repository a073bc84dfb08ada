package vswitch

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hawser/internal/host"
	"hawser/test/ovntest"
)

const lanOwner = "ProviderNetwork//lan"

// uplinksOf is the bridge of a provider network with its uplinks.
func uplinksOf(ports ...host.BridgePort) host.Switching {
	for i := range ports {
		ports[i].Bridge = "br-lan"
	}
	return host.Switching{Bridges: []host.Bridge{{Name: "br-lan", DatapathType: "netdev"}}, Ports: ports}
}

func bond(mode host.BondMode, members ...string) host.BridgePort {
	return host.BridgePort{Name: "lanbond", Mode: mode, Members: members, Protected: true}
}

// TestUplinksFollow takes one network through all forms that its uplinks can have.
// Each is there as wanted, costs nothing again, also after a restart, and is what it
// would be if it had been the first.
func TestUplinksFollow(t *testing.T) {
	apart := uplinksOf(host.BridgePort{Name: "eth1", Protected: true}, host.BridgePort{Name: "eth2", Protected: true})
	spanning := uplinksOf(host.BridgePort{Name: "eth1", Place: 1}, host.BridgePort{Name: "eth2", Place: 2})
	spanning.Bridges[0].RSTP = true
	forms := []host.Switching{
		apart,
		uplinksOf(bond(host.BondActiveBackup, "eth1", "eth2")),
		uplinksOf(bond(host.BondLACP, "eth1", "eth2")),
		uplinksOf(bond(host.BondLACP, "eth1", "eth2", "eth3")),
		uplinksOf(bond(host.BondBalanceSLB, "eth2", "eth3")),
		uplinksOf(host.BridgePort{Name: "eth3", MTU: 9000}, bond(host.BondBalanceSLB, "eth2")),
		spanning,
		{},
	}
	db := ovntest.VSwitch(t)
	c, before := dial(t, db), everything(db)
	fresh := ovntest.VSwitch(t)
	other := dial(t, fresh)
	for i, form := range forms {
		if changed, err := c.Apply(t.Context(), lanOwner, form); err != nil || changed == 0 {
			t.Fatalf("form %d: %d changes, %v", i, changed, err)
		}
		if diff := cmp.Diff(form, bare(c.All("")[lanOwner])); diff != "" {
			t.Errorf("form %d (-want +got):\n%s", i, diff)
		}
		mustApply(t, c, lanOwner, form, 0)
		mustApply(t, dial(t, db), lanOwner, form, 0)
		for _, want := range []host.Switching{{}, form} {
			if _, err := other.Apply(t.Context(), lanOwner, want); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(anywhere(fresh), anywhere(db)); diff != "" {
			t.Errorf("form %d is not what it would have been at first:\n%s", i, diff)
		}
	}
	if diff := cmp.Diff(before, everything(db)); diff != "" {
		t.Errorf("left behind: %s", diff)
	}
}

// anywhere is everything, without what differs from node to node.
func anywhere(db *ovntest.Database) string {
	text := everything(db)
	for _, table := range []string{"Open_vSwitch", "Bridge"} {
		for id := range strings.FieldsSeq(db.VSCtl("--bare", "--columns=_uuid", "list", table)) {
			text = strings.ReplaceAll(text, id, table)
		}
	}
	return text
}

// TestBridgesDiffer: two nodes' bridges of one name are not one to the switches.
func TestBridgesDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 2 {
		db := ovntest.VSwitch(t)
		mustApply(t, dial(t, db), lanOwner, uplinksOf(), 1)
		seen[db.VSCtl("get", "Bridge", "br-lan", "_uuid")] = true
	}
	if len(seen) != 2 {
		t.Errorf("both are %v", seen)
	}
}

// TestRSTPStaysOn: see ErrSpanning. With the bridge gone, all is possible.
func TestRSTPStaysOn(t *testing.T) {
	_, c := open(t)
	want := uplinksOf()
	for _, rstp := range []bool{false, true} {
		want.Bridges[0].RSTP = rstp
		mustApply(t, c, lanOwner, want, 1)
	}
	if _, err := c.Apply(t.Context(), lanOwner, uplinksOf()); !errors.Is(err, ErrSpanning) {
		t.Error(err)
	}
	mustApply(t, c, lanOwner, want, 0)
	mustApply(t, c, lanOwner, host.Switching{}, 1)
	mustApply(t, c, lanOwner, uplinksOf(), 1)
}

func TestUplinksRefused(t *testing.T) {
	db, c := open(t)
	db.VSCtl("add-bond", "br-int", "hand", "eth8", "eth9")
	eventually(t, c, func() bool { return portNames(c)["hand"] })
	before := everything(db)
	spanning := uplinksOf(bond(host.BondLACP, "eth1", "eth2"))
	spanning.Bridges[0].RSTP = true
	for reason, want := range map[string]host.Switching{
		"unknown mode":             uplinksOf(bond("Round", "eth1", "eth2")),
		"leaves bonds out":         spanning,
		"device eth1 is wanted in": uplinksOf(bond(host.BondLACP, "eth1", "eth2"), host.BridgePort{Name: "eth1"}),
		"port hand belongs to":     uplinksOf(host.BridgePort{Name: "eth9"}),
		"port hand belongs":        uplinksOf(bond(host.BondActiveBackup, "eth1", "eth8")),
	} {
		if _, err := c.Apply(t.Context(), lanOwner, want); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %v", reason, err)
		}
	}
	if diff := cmp.Diff(before, everything(db)); diff != "" {
		t.Errorf("rows changed:\n%s", diff)
	}
	if _, err := c.Apply(t.Context(), lanOwner, uplinksOf(host.BridgePort{Name: "eth8"})); !errors.Is(err, ErrForeign) {
		t.Error(err)
	}
}

// TestBondTakesWhatKubeOVNLeft: the NIC of a real Kube-OVN's port goes over with its
// row into a bond of ours.
func TestBondTakesWhatKubeOVNLeft(t *testing.T) {
	db, c := open(t)
	db.VSCtl("add-br", "br-old", "--", "add-port", "br-old", "eth1", "--", "set", "Port", "eth1", "external_ids:vendor=kube-ovn")
	id := db.VSCtl("get", "Interface", "eth1", "_uuid")
	eventually(t, c, func() bool { return portNames(c)["eth1"] })
	if _, err := c.Apply(t.Context(), lanOwner, uplinksOf(bond(host.BondActiveBackup, "eth1", "eth2"))); err != nil {
		t.Fatal(err)
	}
	if got := db.VSCtl("get", "Interface", "eth1", "_uuid"); got != id || portNames(c)["eth1"] {
		t.Errorf("interface %s instead of %s, ports %v", got, id, portNames(c))
	}
}

// TestUplinkStepsKeepTheRest: a step about one uplink leaves the others as they are.
func TestUplinkStepsKeepTheRest(t *testing.T) {
	_, c := open(t)
	whole := uplinksOf(bond(host.BondLACP, "eth1", "eth2"))
	mustApply(t, c, lanOwner, whole, 2)
	plan := uplinkPlan(true)
	for _, step := range plan[:2] {
		if err := (Uplinks{c}).Do(t.Context(), step); err != nil {
			t.Fatal(err)
		}
	}
	if err := (Uplinks{c}).Undo(t.Context(), plan[1]); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(whole, bare(c.All("")[lanOwner])); diff != "" {
		t.Error(diff)
	}
}

// TestPortStates plays ovs-vswitchd, which writes such columns. They wake those who
// want to know them, and nobody else.
func TestPortStates(t *testing.T) {
	db, c := open(t)
	mustApply(t, c, lanOwner, uplinksOf(bond(host.BondActiveBackup, "eth1", "eth2"), host.BridgePort{Name: "eth3"}), 3)
	edge := Uplinks{c}
	write(db, "Interface", "eth1", "link_state=up", "mac_in_use=02\\:00\\:00\\:00\\:00\\:01")
	write(db, "Interface", "eth2", "link_state=up", "mac_in_use=02\\:00\\:00\\:00\\:00\\:02")
	write(db, "Interface", "eth3", "link_state=down")
	write(db, "Port", "lanbond", "bond_active_slave=02\\:00\\:00\\:00\\:00\\:02")
	write(db, "Port", "eth3", "rstp_status:rstp_port_role=Designated", "rstp_status:rstp_port_state=Forwarding")
	state := func() []host.PortState { return edge.PortStates("br-lan") }
	want := []host.PortState{
		{Name: "eth3", Members: []host.MemberState{{Name: "eth3"}}},
		{Name: "lanbond", Members: []host.MemberState{{Name: "eth1", Carrier: true}, {Name: "eth2", Carrier: true, Carries: true}}},
	}
	awaitState(t, edge, func() bool { return cmp.Equal(want, state()) })

	content := c.Changed()
	write(db, "Interface", "eth2", "link_state=down")
	awaitState(t, edge, func() bool { return !state()[1].Members[1].Carries })
	select {
	case <-content:
		t.Error("woken by a state")
	default:
	}
	for _, step := range []struct {
		mode    host.BondMode
		columns []string
		carries []bool
	}{
		{host.BondBalanceSLB, []string{"link_state=up"}, []bool{true, true}},
		{host.BondLACP, []string{"link_state=up"}, []bool{false, true}},
		{host.BondLACP, []string{"lacp_current=false"}, []bool{false, true}},
		{host.BondLACP, []string{"lacp_current=true"}, []bool{true, true}},
	} {
		mustApply(t, c, lanOwner, uplinksOf(bond(step.mode, "eth1", "eth2"), host.BridgePort{Name: "eth3"}), changesTo(t, c, step.mode))
		write(db, "Interface", "eth1", step.columns...)
		write(db, "Interface", "eth2", step.columns...)
		awaitState(t, edge, func() bool {
			members := state()[1].Members
			return slices.Equal(step.carries, []bool{members[0].Carries, members[1].Carries})
		})
	}
	if got := edge.PortStates("br-gone"); got != nil {
		t.Errorf("of no bridge: %v", got)
	}
}

func changesTo(t *testing.T, c *Client, mode host.BondMode) int {
	t.Helper()
	for _, port := range c.All("")[lanOwner].Ports {
		if port.Name == "lanbond" && port.Mode == mode {
			return 0
		}
	}
	return 1
}

func write(db *ovntest.Database, table, row string, columns ...string) {
	db.VSCtl(append([]string{"set", table, row}, columns...)...)
}

// awaitState waits, by the hints about states.
func awaitState(t *testing.T, edge Uplinks, met func() bool) {
	t.Helper()
	eventuallyBy(t, edge.StateChanged(), met)
}
