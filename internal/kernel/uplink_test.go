package kernel_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"hawser/internal/host"
	"hawser/internal/kernel"
	"hawser/test/netnstest"
)

// TestSnapshotTellsWhoseANICIs: what is on top of it, what it is part of, and
// which of its addresses are lent.
func TestSnapshotTellsWhoseANICIs(t *testing.T) {
	client := node(t)
	netnstest.IP(t, "link add eth1 type veth peer name far1")
	netnstest.IP(t, "link add eth2 type veth peer name far2")
	netnstest.IP(t, "link add link eth1 name mv1 type macvlan mode private")
	netnstest.IP(t, "link add br9 type bridge")
	netnstest.IP(t, "link set eth2 master br9 promisc on")
	netnstest.IP(t, "link set eth1 up")
	netnstest.IP(t, "addr add 192.0.2.1/24 dev eth1")
	netnstest.IP(t, "addr add 192.0.2.2/24 dev eth1 valid_lft 600 preferred_lft 600")
	got, err := client.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	one, _ := got.Link("eth1")
	if !slices.Equal(got.Uppers("eth1"), []string{"mv1"}) || one.Carrier || one.Index == 0 || one.Master != "" || one.Promisc {
		t.Errorf("%+v", one)
	}
	two, _ := got.Link("eth2")
	if two.Master != "br9" || !two.Promisc || len(got.Uppers("eth2")) != 0 {
		t.Errorf("%+v", two)
	}
	if len(got.Leased) != 1 || got.Leased[0].Prefix.String() != "192.0.2.2/24" {
		t.Errorf("leased %v", got.Leased)
	}
}

func TestUplinkIsSetUpAndBack(t *testing.T) {
	client := node(t)
	netnstest.IP(t, "link add eth1 type veth peer name far1")
	edge := kernel.Uplinks{Client: client}
	step := host.Step{Action: host.ActionUp, Uplink: host.Uplink{NIC: "eth1", Attachment: host.AttachPort}}
	isUp := func() bool {
		got, err := client.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		link, _ := got.Link("eth1")
		return link.Up
	}
	note, err := edge.Before(t.Context(), step)
	if err != nil {
		t.Fatal(err)
	}
	step.Before = note
	for range 2 {
		if err := edge.Do(t.Context(), step); err != nil || !isUp() {
			t.Fatalf("up %v, %v", isUp(), err)
		}
	}
	if note, err := edge.Before(t.Context(), step); err != nil || edge.Undo(t.Context(), host.Step{Action: host.ActionUp, Uplink: step.Uplink, Before: note}) != nil || !isUp() {
		t.Errorf("what was up before is set down: %v", err)
	}
	if err := edge.Undo(t.Context(), step); err != nil || isUp() {
		t.Errorf("up %v, %v", isUp(), err)
	}
	netnstest.IP(t, "link del eth1")
	if err := edge.Undo(t.Context(), step); err != nil {
		t.Errorf("undo without the NIC: %v", err)
	}
	if edge.Do(t.Context(), step) == nil {
		t.Error("did something without the NIC")
	}
	if _, err := edge.Before(t.Context(), step); err == nil {
		t.Error("saw a NIC that is not there")
	}
}

func TestUplinkIsIsolatedAndBack(t *testing.T) {
	client := node(t)
	netnstest.IP(t, "link add eth1 type veth peer name far1")
	netnstest.IP(t, "link set eth1 group 7")
	edge := kernel.Uplinks{Client: client}
	step := host.Step{Action: host.ActionIsolate, Uplink: host.Uplink{NIC: "eth1", Attachment: host.AttachPort}}
	group := func() uint32 {
		link, err := netlink.LinkByName("eth1")
		if err != nil {
			t.Fatal(err)
		}
		return link.Attrs().Group
	}
	var err error
	if step.Before, err = edge.Before(t.Context(), step); err != nil || step.Before != "7" {
		t.Errorf("before %q, %v", step.Before, err)
	}
	for range 2 {
		if err := edge.Do(t.Context(), step); err != nil || group() != host.DeafGroup {
			t.Errorf("group %d, %v", group(), err)
		}
	}
	if err := edge.Undo(t.Context(), step); err != nil || group() != 7 {
		t.Errorf("group %d, %v", group(), err)
	}
}

// TestSubInterface: one that a provider network wants is made, as often as it is gone,
// and deleted; not what somebody else made, or has put something on.
func TestSubInterface(t *testing.T) {
	client := node(t)
	netnstest.IP(t, "link add eth1 type veth peer name far1")
	netnstest.IP(t, "link set eth1 up")
	netnstest.IP(t, "link set far1 up")
	netnstest.Needs(t, "link add link eth1 name eth1.7 type vlan id 7")
	edge := kernel.Uplinks{Client: client}
	step := func(nic string) host.Step {
		return host.Step{Action: host.ActionVLAN, Uplink: host.Uplink{NIC: nic, Provider: "lan", Attachment: host.AttachPort, Made: true}}
	}
	do := func(nic string) error { return edge.Do(t.Context(), step(nic)) }
	undo := func(nic string) {
		t.Helper()
		if err := edge.Undo(t.Context(), step(nic)); err != nil {
			t.Error(err)
		}
	}
	there := func(nic string, want bool) host.Link {
		t.Helper()
		got, err := client.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		link, found := got.Link(nic)
		if found != want {
			t.Errorf("%s is there: %v", nic, found)
		}
		return link
	}
	for range 2 {
		for range 2 {
			if err := do("eth1.100"); err != nil {
				t.Fatal(err)
			}
		}
		if link := there("eth1.100", true); link.Kind != "vlan" || link.Parent != "eth1" || !link.Up || link.Alias != "kube-ovn:lan" {
			t.Errorf("%+v", link)
		}
		undo("eth1.100")
		undo("eth1.100")
		there("eth1.100", false)
	}
	for nic, says := range map[string]string{"eth1.7": "was not made for", "eth9.7": "eth9", "eth1.007": "not named"} {
		if err := do(nic); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", nic, err)
		}
	}
	netnstest.IP(t, "link set eth1.7 name storage")
	if err := do("eth1.7"); err == nil || !strings.Contains(err.Error(), "by another name") {
		t.Error(err)
	}
	there("storage", true)
	if err := do("eth1.100"); err != nil {
		t.Fatal(err)
	}
	netnstest.IP(t, "addr add 192.0.2.9/24 dev eth1.100")
	undo("eth1.100")
	there("eth1.100", true)
}
