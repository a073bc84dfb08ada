package vswitch

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hawser/internal/host"
)

func uplinkPlan(userspace bool) []host.Step {
	up := host.Uplink{Provider: "lan", NIC: "eth1", Attachment: host.AttachShared, Bridge: "br-lan", Tap: "hwo1", Wire: "hww1", Userspace: userspace}
	return []host.Step{{Action: host.ActionBridge, Uplink: up}, {Action: host.ActionJoin, Uplink: up}, {Action: host.ActionMapping, Uplink: up}}
}

// TestUplinkThreeLaws: the steps done, done again in any state, and undone.
func TestUplinkThreeLaws(t *testing.T) {
	db, c := open(t)
	db.VSCtl("set", "open", ".", "external_ids:ovn-bridge-mappings=physnet:br-ex")
	before := everything(db)
	edge, plan := Uplinks{c}, uplinkPlan(false)
	for _, step := range plan {
		if note, err := edge.Before(t.Context(), step); note != "" || err != nil {
			t.Errorf("%q, %v", note, err)
		}
		if err := edge.Do(t.Context(), step); err != nil {
			t.Fatal(err)
		}
	}
	whole := everything(db)
	if !strings.Contains(whole, "physnet:br-ex,lan:br-lan") {
		t.Errorf("mapping of %s", whole)
	}
	for _, step := range plan {
		if err := edge.Do(t.Context(), step); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(whole, everything(db)); diff != "" {
		t.Errorf("confirming changed something: %s", diff)
	}
	want := []host.Installed{{Name: "br-int"}, {Name: "br-lan", Owner: "ProviderNetwork//lan", Ports: []string{"hwo1"}}}
	if diff := cmp.Diff(want, (Uplinks{c}).Bridges()); diff != "" {
		t.Error(diff)
	}
	for range 2 {
		for i := len(plan) - 1; i >= 0; i-- {
			if err := edge.Undo(t.Context(), plan[i]); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(before, everything(db)); diff != "" {
			t.Errorf("left behind: %s", diff)
		}
	}
}

// TestUplinksOfOneBridge: each is protected from the others, one that stands by is out
// of the bridge, and the others are left as they are whatever becomes of it.
func TestUplinksOfOneBridge(t *testing.T) {
	db, c := open(t)
	edge := Uplinks{c}
	do := func(action host.Action, nic string, standby bool) {
		t.Helper()
		up := host.Uplink{Provider: "lan", NIC: nic, Attachment: host.AttachPort, Bridge: "br-lan", Apart: true, Standby: standby}
		if err := edge.Do(t.Context(), host.Step{Action: action, Uplink: up}); err != nil {
			t.Fatal(err)
		}
	}
	do(host.ActionBridge, "eth1", false)
	do(host.ActionJoin, "eth1", false)
	do(host.ActionJoin, "eth2", true)
	if got := db.VSCtl("list-ports", "br-lan"); got != "eth1\n" {
		t.Errorf("ports %q", got)
	}
	first := db.VSCtl("get", "Port", "eth1", "_uuid", "protected")
	do(host.ActionJoin, "eth2", false)
	if got := db.VSCtl("list-ports", "br-lan"); got != "eth1\neth2\n" || !strings.Contains(first, "true") {
		t.Errorf("ports %q, %s", got, first)
	}
	do(host.ActionJoin, "eth2", true)
	if got := db.VSCtl("list-ports", "br-lan"); got != "eth1\n" || db.VSCtl("get", "Port", "eth1", "_uuid", "protected") != first {
		t.Errorf("ports %q", got)
	}
}

// TestSpanningUplinks: with RSTP the bridge is the last to be a way between networks.
// A step that was noted before it came on leaves it on; and once the bridge has gone,
// another one waits until ovs-vswitchd has seen that.
func TestSpanningUplinks(t *testing.T) {
	db, c := open(t)
	edge := Uplinks{c}
	old := host.Uplink{Provider: "lan", NIC: "eth1", Attachment: host.AttachPort, Bridge: "br-lan", Apart: true}
	up := old
	up.RSTP, up.Place = true, 2
	do := func(action host.Action, up host.Uplink) error {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		return edge.Do(ctx, host.Step{Action: action, Uplink: up})
	}
	for _, each := range []host.Uplink{old, up} {
		if err := errors.Join(do(host.ActionBridge, each), do(host.ActionJoin, each)); err != nil {
			t.Fatal(err)
		}
	}
	spans := func() string {
		return db.VSCtl("get", "Bridge", "br-lan", "rstp_enable", "other_config") + db.VSCtl("get", "Port", "eth1", "protected", "other_config")
	}
	const want = "true\n{rstp-priority=\"61440\"}\ntrue\n{rstp-port-path-cost=\"200000000\", rstp-port-priority=\"16\"}\n"
	if got := spans(); got != want || !edge.Bridges()[1].RSTP {
		t.Errorf("%s%+v", got, edge.Bridges())
	}
	if err := edge.Undo(t.Context(), host.Step{Action: host.ActionJoin, Uplink: old}); err != nil {
		t.Error(err)
	}
	if err := errors.Join(do(host.ActionJoin, old), do(host.ActionJoin, up)); err != nil || spans() != want {
		t.Errorf("%v, %s", err, spans())
	}
	if err := do(host.ActionBridge, old); !errors.Is(err, ErrSpanning) {
		t.Error(err)
	}
	if err := edge.Undo(t.Context(), host.Step{Action: host.ActionBridge, Uplink: up}); err != nil {
		t.Fatal(err)
	}
	if err := do(host.ActionBridge, old); err == nil || !strings.Contains(err.Error(), "ovs-vswitchd has yet to do") {
		t.Errorf("a new bridge comes although the old one may be there: %v", err)
	}
	waiting := make(chan error, 1)
	go func() { waiting <- do(host.ActionBridge, old) }()
	db.VSCtl("set", "Open_vSwitch", ".", "cur_cfg="+strings.TrimSpace(db.VSCtl("get", "Open_vSwitch", ".", "next_cfg")))
	if err := <-waiting; err != nil || edge.Bridges()[1].RSTP {
		t.Errorf("%v, %+v", err, edge.Bridges())
	}
}

// TestABondOfUplinks is one port, which Bridges lists with its devices, is changed in
// place, and goes alone.
func TestABondOfUplinks(t *testing.T) {
	db, c := open(t)
	edge := Uplinks{c}
	up := host.Uplink{Provider: "lan", Attachment: host.AttachPort, Bridge: "br-lan", Mode: host.BondLACP, Bonded: "eth1,eth2"}
	step := host.Step{Action: host.ActionBond, Uplink: up}
	do := func(step host.Step) {
		t.Helper()
		if err := edge.Do(t.Context(), step); err != nil {
			t.Fatal(err)
		}
	}
	do(host.Step{Action: host.ActionBridge, Uplink: up})
	alone := everything(db)
	do(step)
	bond := host.BondOf("lan")
	if got := db.VSCtl("get", "Port", bond, "lacp", "bond_mode"); got != "active\nbalance-tcp\n" {
		t.Errorf("bond %q", got)
	}
	id := db.VSCtl("get", "Port", bond, "_uuid")
	step.Uplink.Mode, step.Uplink.Bonded = host.BondActiveBackup, "eth1,eth2,eth3"
	do(step)
	if got := db.VSCtl("get", "Port", bond, "_uuid"); got != id {
		t.Error("it is another one")
	}
	if found, _ := (host.Snapshot{Bridges: edge.Bridges()}).BridgeWith("eth3"); found.Name != "br-lan" {
		t.Errorf("eth3 is in %q", found.Name)
	}
	if err := edge.Undo(t.Context(), step); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(alone, everything(db)); diff != "" {
		t.Errorf("left behind: %s", diff)
	}
}

// TestUplinkWithItsPatch: a bridge goes although ovn-controller, which may be
// down, still has its patch there; it stays for any other foreign port.
func TestUplinkWithItsPatch(t *testing.T) {
	db, c := open(t)
	edge, plan := Uplinks{c}, uplinkPlan(true)
	if err := edge.Do(t.Context(), plan[0]); err != nil {
		t.Fatal(err)
	}
	if got := c.All("ProviderNetwork/")["ProviderNetwork//lan"].Bridges[0].DatapathType; got != "netdev" {
		t.Errorf("datapath %s", got)
	}
	db.VSCtl("add-port", "br-lan", "mine")
	db.VSCtl("add-port", "br-lan", "patch-x", "--", "set", "port", "patch-x", "external_ids:ovn-localnet-port=localnet.x")
	eventually(t, c, func() bool { return len((Uplinks{c}).Bridges()) == 2 && len(Uplinks{c}.Bridges()[1].Ports) == 2 })
	if err := edge.Undo(t.Context(), plan[0]); err == nil || !strings.Contains(err.Error(), "port mine") {
		t.Errorf("took a foreign port along: %v", err)
	}
	db.VSCtl("del-port", "br-lan", "mine")
	eventually(t, c, func() bool { return len(Uplinks{c}.Bridges()[1].Ports) == 1 })
	if err := edge.Undo(t.Context(), plan[0]); err != nil {
		t.Error(err)
	}
}

func TestUplinkOfAForeignBridge(t *testing.T) {
	db, c := open(t)
	db.VSCtl("add-br", "br-lan")
	eventually(t, c, func() bool { return len((Uplinks{c}).Bridges()) == 2 })
	if err := (Uplinks{c}).Do(t.Context(), uplinkPlan(false)[0]); err == nil || !strings.Contains(err.Error(), "not ours") {
		t.Error(err)
	}
	if err := (Uplinks{c}).Do(t.Context(), host.Step{Action: "other"}); err == nil {
		t.Error("did something unknown")
	}
	if err := (Uplinks{c}).Undo(t.Context(), host.Step{Action: "other"}); err == nil {
		t.Error("undid something unknown")
	}
}
