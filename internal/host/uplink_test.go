package host

import (
	"slices"
	"strings"
	"testing"
)

func TestPlanText(t *testing.T) {
	tap, wire := TapNames("lan", "eth0")
	shared := Uplink{Provider: "lan", NIC: "eth0", Index: 3, Attachment: AttachShared, Bridge: BridgeOf("lan"), Tap: tap, Wire: wire, Mark: UplinkMark, MTU: 1500, TrustPods: true, RSTP: true, Userspace: true}
	var plan Plan
	for _, action := range []Action{ActionBridge, ActionPair, ActionIsolate, ActionJoin, ActionLoad, ActionFilter, ActionPromisc, ActionMapping, "other"} {
		plan.Steps = append(plan.Steps, Step{Action: action, Uplink: shared})
	}
	const want = `1. add bridge br-lan of the userspace datapath, with RSTP
2. add veth pair hwo443fa599, hww443fa599 with the MTU of eth0
3. keep the host from answering on hwo443fa599
4. add port hwo443fa599 to br-lan
5. load programs of eth0, pods may be routers and DHCP servers of the host, with RSTP
6. bridge frames between eth0, the host and hww443fa599
7. let eth0 receive frames for pods (promiscuous)
8. map network lan to br-lan
9. other eth0
`
	if got := plan.Text(); got != want {
		t.Errorf("text is\n%s", got)
	}
	port := Uplink{Provider: "lan", NIC: "eth1", Attachment: AttachPort, Bridge: "br-lan"}
	if got := (Plan{Steps: []Step{{Action: ActionJoin, Uplink: port}, {Action: ActionUp, Uplink: port}}}).Text(); got != "1. add port eth1 to br-lan\n2. set eth1 up\n" {
		t.Errorf("text is\n%s", got)
	}
}

// TestOneOfSeveral: what is approved is that it may stand by, not that it does.
func TestOneOfSeveral(t *testing.T) {
	up := SharedUplink("lan", "eth0")
	step := func(edit func(*Uplink)) Step {
		with := up
		edit(&with)
		return Step{Action: ActionJoin, Uplink: with}
	}
	apart, alone := step(func(u *Uplink) { u.Apart = true }), step(func(u *Uplink) { u.Apart, u.Alone = true, true })
	standby := step(func(u *Uplink) { u.Apart, u.Standby = true, true })
	if got := apart.Text(); got != "add port hwo443fa599 to br-lan, apart from other uplinks, or stand by where it meets one" || standby.Text() != got {
		t.Errorf("%s; %s", got, standby.Text())
	}
	if got := alone.Text(); got != "add port hwo443fa599 to br-lan, or stand by while another uplink takes part" {
		t.Error(got)
	}
	tree := step(func(u *Uplink) { u.Apart, u.RSTP, u.Place = true, true, 2 })
	if got := tree.Text(); got != "add port hwo443fa599 to br-lan, apart from other uplinks, or stand by where the spanning tree blocks it" || !tree.Same(apart) {
		t.Error(got)
	}
	one := step(func(*Uplink) {})
	if !one.Same(apart) || !one.Same(alone) || !apart.Same(standby) || one.Same(step(func(u *Uplink) { u.Attachment = AttachTakeover })) {
		t.Error("who stands by is no other step, and another attachment is one")
	}
}

// TestABridgeIsMadeAnewWithoutRSTP: Open vSwitch can only switch it on in place.
func TestABridgeIsMadeAnewWithoutRSTP(t *testing.T) {
	without := Step{Action: ActionBridge, Uplink: Uplink{Bridge: "br-lan"}}
	with := without
	with.Uplink.RSTP = true
	if !without.Same(with) || with.Same(without) || !with.Same(with) {
		t.Errorf("%s; %s", without.Text(), with.Text())
	}
}

// TestABondIsChangedInPlace: other members and another mode make no other step, but
// another plan.
func TestABondIsChangedInPlace(t *testing.T) {
	one := Step{Action: ActionBond, Uplink: Uplink{Provider: "lan", Bridge: "br-lan", Mode: BondLACP, Bonded: "eth1,eth2"}}
	other := one
	other.Uplink.Mode, other.Uplink.Bonded = BondActiveBackup, "eth1,eth2,eth3"
	if got := one.Text(); got != "bond eth1, eth2 (LACP) as port "+BondOf("lan")+" of br-lan" || len(BondOf("lan")) != 11 {
		t.Error(got)
	}
	if !one.Same(other) || one.Text() == other.Text() || !one.OfBridge() {
		t.Errorf("%s; %s", one.Text(), other.Text())
	}
}

func TestUplinksOfAPlan(t *testing.T) {
	a, b := Uplink{NIC: "eth0"}, Uplink{NIC: "eth1"}
	plan := Plan{Steps: []Step{{Action: ActionBridge, Uplink: Uplink{NIC: "gone"}}, {Action: ActionJoin, Uplink: b}, {Action: ActionUp, Uplink: b}, {Action: ActionJoin, Uplink: a}, {Action: ActionMapping, Uplink: Uplink{NIC: "gone"}}}}
	if got := plan.Uplinks(); !slices.Equal(got, []Uplink{b, a}) {
		t.Errorf("%+v", got)
	}
}

// TestHashIsOfWhatIsDone, not of what differs between two boots.
func TestHashIsOfWhatIsDone(t *testing.T) {
	step := func(u Uplink, before string) Plan {
		return Plan{Steps: []Step{{Action: ActionUp, Uplink: u, Before: before}}}
	}
	one := step(Uplink{NIC: "eth0", Index: 3, MTU: 1500}, "").Hash()
	if other := step(Uplink{NIC: "eth0", Index: 9, MTU: 9000}, "up").Hash(); other != one {
		t.Errorf("%s and %s", one, other)
	}
	if other := step(Uplink{NIC: "eth1"}, "").Hash(); other == one || len(other) != 16 {
		t.Errorf("%s and %s", one, other)
	}
}

func TestNamesFitTheKernel(t *testing.T) {
	tap, wire := TapNames(strings.Repeat("p", 12), strings.Repeat("n", 15))
	if len(tap) > 15 || len(wire) > 15 || tap == wire || len(BridgeOf(strings.Repeat("p", 12))) != 15 {
		t.Errorf("%s %s", tap, wire)
	}
}

func TestBridgeWith(t *testing.T) {
	s := Snapshot{Bridges: []Installed{{Name: "br-a", Ports: []string{"eth0"}}}}
	if found, ok := s.BridgeWith("eth0"); !ok || found.Name != "br-a" {
		t.Errorf("%v %v", found, ok)
	}
	if _, ok := s.BridgeWith("eth1"); ok {
		t.Error("found a port that is not there")
	}
}

func TestUppers(t *testing.T) {
	s := Snapshot{Links: []Link{{Name: "eth0.9", Parent: "eth0"}, {Name: "eth0"}, {Name: "eth0.7", Parent: "eth0"}}}
	if got := s.Uppers("eth0"); !slices.Equal(got, []string{"eth0.7", "eth0.9"}) {
		t.Errorf("uppers %v", got)
	}
}

func TestAPairTellsWhoseItIs(t *testing.T) {
	want := SharedUplink("lan", "eth0.7")
	if up, ok := ReadAlias(want.Alias()); !ok || up != want || up.Bridge != "br-lan" {
		t.Errorf("%+v %v", up, ok)
	}
	for _, alias := range []string{"", "uplink", "to the lab", "eth0 of provider network lan"} {
		if up, ok := ReadAlias(alias); ok {
			t.Errorf("%q is of %+v", alias, up)
		}
	}
}

// TestSettingsMakeNoOtherStep, but another NIC, bridge or datapath does.
func TestSettingsMakeNoOtherStep(t *testing.T) {
	step := Step{Action: ActionLoad, Uplink: SharedUplink("lan", "eth0")}
	other := step
	other.Uplink.TrustPods, other.Uplink.RSTP, other.Uplink.Mark, other.Uplink.MTU = true, true, 7, 9000
	if !step.Same(other) || step.Text() == other.Text() {
		t.Errorf("%s, %s", step.Text(), other.Text())
	}
	other.Uplink.NIC = "eth1"
	bridge := Step{Action: ActionBridge, Uplink: Uplink{Bridge: "br-lan"}}
	userspace := Step{Action: ActionBridge, Uplink: Uplink{Bridge: "br-lan", Userspace: true}}
	if step.Same(other) || step.Same(bridge) || bridge.Same(userspace) {
		t.Error("different steps are the same")
	}
}

func TestProbe(t *testing.T) {
	for probe, blocked := range map[Probe]bool{{}: false, {Own: true}: true, {Own: true, Foreign: true}: false} {
		if probe.Blocked() != blocked {
			t.Errorf("%+v", probe)
		}
	}
}
