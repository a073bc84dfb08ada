package uplink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
)

// patrol finds what a test says, once it has watched the NICs for a while.
type patrol struct {
	nics    []host.LoopNIC
	current bool
	found   host.LoopFindings
}

func (p *patrol) Watch(nics []host.LoopNIC) {
	same := func(a, b host.LoopNIC) bool {
		return a.Name == b.Name && a.Mark == b.Mark && slices.Equal(a.VLANs, b.VLANs)
	}
	if !slices.EqualFunc(nics, p.nics, same) {
		p.nics, p.current = nics, false
	}
}

func (p *patrol) Findings() (host.LoopFindings, bool) { return p.found, p.current }
func (p *patrol) Changed() <-chan struct{}            { return nil }
func (p *patrol) Run(context.Context) error           { return nil }

// finds has a search find these meetings, such as "eth0+eth1".
func (s *stage) finds(meetings ...string) {
	s.Helper()
	s.patrol.current, s.patrol.found = true, host.LoopFindings{}
	for _, text := range meetings {
		a, b, _ := strings.Cut(text, "+")
		s.patrol.found.Meetings = append(s.patrol.found.Meetings, host.Meeting{NICs: [2]string{a, b}})
	}
}

// uplinksOf reads "eth0 Active, eth1 Standby", and sees that the bridge has those
// that are active and have carrier.
func (s *stage) uplinksOf(name string) string {
	s.Helper()
	status := s.status(name)
	for _, nic := range status.Interfaces {
		if in := slices.ContainsFunc(s.machine.joined, func(up host.Uplink) bool { return up.NIC == nic.Name }); nic.Carrier && in != (nic.State == kubeovnv1.UplinkActive) {
			s.Errorf("%s is %s, in the bridge: %v", nic.Name, nic.State, in)
		}
	}
	return states(status)
}

func states(status kubeovnv1.ProviderNetworkNodeStatus) string {
	var out []string
	for _, nic := range status.Interfaces {
		out = append(out, nic.Name+" "+string(nic.State))
	}
	return strings.Join(out, ", ")
}

// are reconciles and wants these uplinks.
func (s *stage) are(when, want string) {
	s.Helper()
	s.reconcile()
	if got := s.uplinksOf("lan.n1"); got != want {
		s.Errorf("%s: %s, want %s", when, got, want)
	}
}

// carrier plugs the cable of a NIC in, or out.
func (s *stage) carrier(nic string, is bool) {
	for i := range s.machine.snapshot.Links {
		if link := &s.machine.snapshot.Links[i]; link.Name == nic {
			link.Carrier = is
		}
	}
}

// pair is eth0 and eth1 in one provider network, joined, and searched once.
func pair(t *testing.T, edit func(*kubeovnv1.ProviderNetworkNode)) *stage {
	t.Helper()
	both := part("lan", "eth0", "eth1")
	if edit != nil {
		edit(both)
	}
	s := newStage(t, both, podIn("a", "lan", "7", "02:00:00:00:00:02"))
	s.machine.snapshot.Links[1].Up = true
	s.expect("lan.n1", kubeovnv1.PhaseWaiting, kubeovnv1.ReasonWaitingForTurn)
	if len(s.patrol.nics) > 0 {
		t.Errorf("searched before it was approved: %v", s.patrol.nics)
	}
	s.approve("lan.n1")
	s.expect("lan.n1", kubeovnv1.PhaseReady, "")
	return s
}

// TestSeveralNICsJoin, each its own way: the second one only once it was searched.
func TestSeveralNICsJoin(t *testing.T) {
	s := pair(t, nil)
	status := s.status("lan.n1")
	if got := s.uplinksOf("lan.n1"); got != "eth0 Active, eth1 Standby" || !strings.Contains(status.Message, "eth1 stands by: it was not searched") {
		t.Errorf("%s: %s", got, status.Message)
	}
	want := []host.LoopNIC{{Name: "eth0", VLANs: []int{0, 7}, Mark: host.UplinkMark}, {Name: "eth1", VLANs: []int{0, 7}}}
	if fmt.Sprint(s.patrol.nics) != fmt.Sprint(want) {
		t.Errorf("searched are %v, want %v", s.patrol.nics, want)
	}
	s.finds()
	s.are("searched", "eth0 Active, eth1 Active")
	status = s.expect("lan.n1", kubeovnv1.PhaseReady, "")
	if status.Message != "the NICs have joined" || status.Attachment != kubeovnv1.AttachmentShared ||
		status.Interfaces[0].Attachment != kubeovnv1.AttachmentShared || status.Interfaces[1].Attachment != kubeovnv1.AttachmentPort {
		t.Errorf("%+v", status)
	}
	if loop := s.loop(); loop.Status != metav1.ConditionFalse || !strings.Contains(loop.Message, "no probe of eth0, eth1") {
		t.Errorf("%+v", loop)
	}
	if mtu, err := s.uplinks.MTU("lan"); mtu != 1500 || err != nil {
		t.Errorf("MTU %d, %v", mtu, err)
	}
	if up := s.machine.joined; !up[0].Apart || !up[1].Apart {
		t.Errorf("they forward to each other: %+v", up)
	}
	if s.machine.undone > 0 {
		t.Errorf("%d steps were undone", s.machine.undone)
	}
}

func (s *stage) loop() kubeovnv1.Condition {
	part := &kubeovnv1.ProviderNetworkNode{Status: s.status("lan.n1")}
	return conditionOf(part, kubeovnv1.ConditionLoopDetected)
}

// TestNICsThatMeet: the later one stands by, whatever the agent forgets; takes over
// when the other loses its carrier; and joins when the networks are separate again.
func TestNICsThatMeet(t *testing.T) {
	s := pair(t, nil)
	s.finds()
	s.are("separate", "eth0 Active, eth1 Active")
	s.told()
	s.finds("eth0+eth1")
	s.are("recabled", "eth0 Active, eth1 Standby")
	status := s.expect("lan.n1", kubeovnv1.PhaseReady, "")
	if !strings.Contains(status.Message, "eth1 stands by: it meets eth0") || s.loop().Status != metav1.ConditionTrue {
		t.Errorf("%s: %+v", status.Message, s.loop())
	}
	if told := s.told(); strings.Count(told, "Warning LoopDetected in one network outside are eth0 and eth1") != 1 {
		t.Errorf("told %q", told)
	}
	s.restart()
	s.patrol.nics, s.patrol.found = nil, host.LoopFindings{}
	if err := s.uplinks.Recover(t.Context()); err != nil || len(s.machine.joined) != 1 {
		t.Errorf("a boot: %v, %v", err, s.machine.joined)
	}
	s.are("a new agent, before it has searched", "eth0 Active, eth1 Standby")
	s.finds("eth0+eth1")
	s.carrier("eth0", false)
	s.are("unplugged", "eth0 Down, eth1 Active")
	s.carrier("eth0", true)
	s.are("plugged in again", "eth0 Standby, eth1 Active")
	if len(s.machine.stations["eth0"].Stations) != 0 {
		t.Errorf("behind who stands by: %v", s.machine.stations["eth0"])
	}
	s.told()
	s.finds()
	s.are("separate again", "eth0 Active, eth1 Active")
	if len(s.machine.stations["eth0"].Stations) != 1 || strings.Count(s.told(), "Normal LoopGone") != 1 {
		t.Errorf("behind who takes part: %v", s.machine.stations["eth0"])
	}
	if s.machine.undone > 0 {
		t.Errorf("%d steps were undone", s.machine.undone)
	}
}

// restart forgets what an agent has in its memory.
func (s *stage) restart() {
	old := s.uplinks
	s.uplinks = &Uplinks{Node: old.Node, Options: old.Options, Client: old.Client, Events: old.Events, Edges: old.Edges, Userspace: old.Userspace, Now: old.Now}
}

// TestALoopIsNoMatterOfPlans: who meets stands by while a plan waits, or is refused.
func TestALoopIsNoMatterOfPlans(t *testing.T) {
	s := pair(t, nil)
	s.finds()
	s.are("separate", "eth0 Active, eth1 Active")
	s.change("lan.n1", func(p *kubeovnv1.ProviderNetworkNode) { p.Spec.TrustPods, p.Spec.ApprovedPlan = true, "" })
	s.finds("eth0+eth1")
	s.are("waiting", "eth0 Active, eth1 Standby")
	s.change("lan.n1", func(p *kubeovnv1.ProviderNetworkNode) { p.Spec.Interfaces = []string{"eth0", "eth1", "typo"} })
	s.finds()
	s.are("refused", "eth0 Active, eth1 Active")
	s.expect("lan.n1", kubeovnv1.PhasePending, kubeovnv1.ReasonInterfaceNotFound)
	s.machine.connected = false
	s.finds("eth0+eth1")
	s.are("without Open vSwitch nothing is done", "eth0 Active, eth1 Active")
	s.machine.connected = true
	s.machine.fail[host.ActionJoin] = errors.New("no")
	if _, err := s.uplinks.Reconcile(t.Context(), request); err == nil {
		t.Error("a failure is not told")
	}
	delete(s.machine.fail, host.ActionJoin)
	s.are("tried again", "eth0 Active, eth1 Standby")
}

// TestRefuse: one takes part at a time, and nobody is searched.
func TestRefuse(t *testing.T) {
	s := pair(t, func(p *kubeovnv1.ProviderNetworkNode) { p.Spec.LoopProtection = kubeovnv1.LoopRefuse })
	s.are("both plugged in", "eth0 Active, eth1 Standby")
	if status := s.status("lan.n1"); !strings.Contains(status.Message, "eth1 stands by while eth0 takes part") || len(s.patrol.nics) > 0 || s.loop().Type != "" {
		t.Errorf("%s, searched %v, %+v", status.Message, s.patrol.nics, s.loop())
	}
	s.carrier("eth0", false)
	s.are("unplugged", "eth0 Down, eth1 Active")
	s.change("lan.n1", func(p *kubeovnv1.ProviderNetworkNode) { p.Spec.LoopProtection = "" })
	s.expect("lan.n1", kubeovnv1.PhaseWaiting, kubeovnv1.ReasonWaitingForTurn)
}

// tree has Open vSwitch tell of the ports of eth0 and eth1, such as "Root Forwarding".
func (s *stage) tree(eth0, eth1 string) {
	tap, _ := host.TapNames("lan", "eth0")
	s.machine.ports = nil
	for port, is := range map[string]string{tap: eth0, "eth1": eth1} {
		role, state, _ := strings.Cut(is, " ")
		s.machine.ports = append(s.machine.ports, host.PortState{Name: port, RSTPRole: role, RSTPState: state})
	}
}

// TestSpanningTree: it says who takes part, whatever the carrier, and nobody is
// searched. Who is blocked is in the bridge, and nobody is behind it.
func TestSpanningTree(t *testing.T) {
	s := pair(t, func(p *kubeovnv1.ProviderNetworkNode) { p.Spec.LoopProtection = kubeovnv1.LoopRSTP })
	s.told()
	for _, step := range []struct {
		when, eth0, eth1 string
		unplugged        bool
		want, says       string
		loop             metav1.ConditionStatus
		behind           int // eth0
		told             string
	}{
		{"nothing is told yet", "", "", false, "eth0 Standby, eth1 Standby", "eth1 stands by: the spanning tree has yet to let it take part", "", 0, ""},
		{"one is quicker", "Designated Forwarding", "Designated Learning", false, "eth0 Active, eth1 Standby", "eth1 stands by: the spanning tree has yet", "", 1, ""},
		{"separate", "Root Forwarding", "Designated Forwarding", false, "eth0 Active, eth1 Active", "the NICs have joined", metav1.ConditionFalse, 1, ""},
		{"recabled", "Backup Discarding", "Designated Forwarding", false, "eth0 Standby, eth1 Active", "eth0 stands by: the spanning tree has another way", metav1.ConditionTrue, 0, "Warning LoopDetected the spanning tree has another way to the network behind eth0"},
		{"unplugged", "Designated Learning", "Disabled Discarding", true, "eth0 Standby, eth1 Down", "eth0 stands by: the spanning tree has yet", metav1.ConditionTrue, 0, ""},
		{"taken over", "Designated Forwarding", "Disabled Discarding", true, "eth0 Active, eth1 Down", "the NICs have joined", metav1.ConditionFalse, 1, "Normal LoopGone"},
		{"plugged in again", "Designated Forwarding", "Alternate Discarding", false, "eth0 Active, eth1 Standby", "eth1 stands by", metav1.ConditionTrue, 1, "Warning LoopDetected"},
	} {
		s.tree(step.eth0, step.eth1)
		s.carrier("eth1", !step.unplugged)
		status := s.expect("lan.n1", kubeovnv1.PhaseReady, "")
		if got := states(status); got != step.want || !strings.Contains(status.Message, step.says) || s.loop().Status != step.loop {
			t.Errorf("%s: %s: %s, %+v", step.when, got, status.Message, s.loop())
		}
		if got := len(s.machine.stations["eth0"].Stations); got != step.behind {
			t.Errorf("%s: %d are behind eth0", step.when, got)
		}
		if told := s.told(); step.told == "" && told != "" || !strings.Contains(told, step.told) {
			t.Errorf("%s: told %q", step.when, told)
		}
	}
	if up := s.machine.joined; len(up) != 2 || !up[0].RSTP || !up[1].Apart || len(s.patrol.nics) > 0 || s.machine.undone > 0 {
		t.Errorf("joined %+v, searched %v, %d steps were undone", up, s.patrol.nics, s.machine.undone)
	}
}

// TestSpanningTreeComesAndGoes: it comes in place, with who stood by. It goes with the
// bridge, once that is approved, and all uplinks are new then.
func TestSpanningTreeComesAndGoes(t *testing.T) {
	s := pair(t, nil)
	s.finds("eth0+eth1")
	s.are("meeting", "eth0 Active, eth1 Standby")
	s.change("lan.n1", func(p *kubeovnv1.ProviderNetworkNode) { p.Spec.LoopProtection = kubeovnv1.LoopRSTP })
	s.are("waiting", "eth0 Active, eth1 Standby")
	s.approve("lan.n1")
	s.tree("Designated Forwarding", "Backup Discarding")
	s.expect("lan.n1", kubeovnv1.PhaseReady, "")
	if up := s.machine.joined; len(up) != 2 || !up[0].RSTP || s.machine.undone > 0 || len(s.patrol.nics) > 0 {
		t.Errorf("joined %+v, searched %v, %d steps were undone", up, s.patrol.nics, s.machine.undone)
	}
	s.restart()
	if err := s.uplinks.Recover(t.Context()); err != nil || len(s.machine.joined) != 2 {
		t.Errorf("a boot: %v, %v", err, s.machine.joined)
	}
	s.change("lan.n1", func(p *kubeovnv1.ProviderNetworkNode) { p.Spec.LoopProtection = kubeovnv1.LoopIsolate })
	s.finds()
	status := s.expect("lan.n1", kubeovnv1.PhaseWaiting, kubeovnv1.ReasonWaitingForTurn)
	if got := states(status); got != "eth0 Active, eth1 Standby" || !strings.HasPrefix(status.Plan, "first all uplinks leave") || len(s.machine.joined) != 2 {
		t.Errorf("%s: %s", got, status.Plan)
	}
	s.approve("lan.n1")
	s.reconcile()
	status = s.expect("lan.n1", kubeovnv1.PhaseReady, "")
	if got := s.uplinksOf("lan.n1"); got != "eth0 Active, eth1 Standby" || s.machine.undone == 0 || !strings.HasPrefix(status.Plan, "1. add bridge br-lan\n") {
		t.Errorf("%s, %d steps were undone: %s", got, s.machine.undone, status.Plan)
	}
	s.finds()
	s.are("searched", "eth0 Active, eth1 Active")
	if up := s.machine.joined; up[0].RSTP || up[1].RSTP || s.loop().Reason != "Apart" {
		t.Errorf("%+v, %+v", up, s.loop())
	}
}

// TestANICComesAndGoes, and the other one stays as it is.
func TestANICComesAndGoes(t *testing.T) {
	s := joined(t)
	s.machine.snapshot.Links[1].Up = true
	s.change("lan.n1", func(p *kubeovnv1.ProviderNetworkNode) { p.Spec.Interfaces = []string{"eth0", "eth1"} })
	s.expect("lan.n1", kubeovnv1.PhaseWaiting, kubeovnv1.ReasonWaitingForTurn)
	s.approve("lan.n1")
	s.machine.fail[host.ActionUp] = errors.New("no")
	s.expect("lan.n1", kubeovnv1.PhaseRolledBack, kubeovnv1.ReasonRolledBack)
	if got := s.uplinksOf("lan.n1"); got != "eth0 Active, eth1 Down" {
		t.Errorf("after a failure: %s", got)
	}
	delete(s.machine.fail, host.ActionUp)
	s.now = s.now.Add(firstHold)
	s.machine.undone = 0
	s.expect("lan.n1", kubeovnv1.PhaseReady, "")
	s.finds()
	s.are("searched", "eth0 Active, eth1 Active")
	s.change("lan.n1", func(p *kubeovnv1.ProviderNetworkNode) { p.Spec.Interfaces = []string{"eth1"} })
	s.reconcile()
	if s.machine.undone > 0 {
		t.Errorf("%d steps were undone", s.machine.undone)
	}
	s.approve("lan.n1")
	s.are("eth0 has gone", "eth1 Active")
	if up := s.machine.joined; len(up) != 1 || up[0].Apart || s.loop().Type != "" || len(s.patrol.nics) != 0 {
		t.Errorf("joined %+v, %+v, searched %v", up, s.loop(), s.patrol.nics)
	}
}

// TestOneNICIsLost: the others go on, take its place, and it comes back by itself.
func TestOneNICIsLost(t *testing.T) {
	s := pair(t, nil)
	s.finds("eth0+eth1")
	s.are("meeting", "eth0 Active, eth1 Standby")
	links := slices.Clone(s.machine.snapshot.Links)
	s.machine.snapshot.Links = slices.Clone(links[1:])
	s.expect("lan.n1", kubeovnv1.PhasePending, kubeovnv1.ReasonInterfaceNotFound)
	s.are("eth0 is lost", "eth1 Active")
	if mtu, err := s.uplinks.MTU("lan"); mtu != 9000 || err != nil {
		t.Errorf("MTU %d, %v", mtu, err)
	}
	s.restart()
	if err := s.uplinks.Recover(t.Context()); err == nil || len(s.machine.joined) == 0 {
		t.Errorf("a boot without eth0: %v, %v", err, s.machine.joined)
	}
	s.machine.snapshot.Links = links
	s.expect("lan.n1", kubeovnv1.PhaseReady, "")
	s.are("eth0 is back", "eth0 Standby, eth1 Active")
}

// TestMetricsOfSeveral: a state of each NIC.
func TestMetricsOfSeveral(t *testing.T) {
	s := pair(t, nil)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(Counters{Uplinks: s.uplinks})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var states []string
	for _, metric := range families[2].Metric {
		if metric.GetGauge().GetValue() == 1 {
			states = append(states, metric.Label[0].GetValue()+" "+metric.Label[2].GetValue())
		}
	}
	if !slices.Equal(states, []string{"eth0 Active", "eth1 Standby"}) {
		t.Errorf("states %v", states)
	}
}

// TestAnyBlockedNetworkIsTold, also behind one of several NICs.
func TestAnyBlockedNetworkIsTold(t *testing.T) {
	v := verdict{stands: []host.Uplink{{NIC: "eth0"}, {NIC: "eth1"}}, wires: map[string]host.Probe{"eth0": {Own: true, Foreign: true}, "eth1": {Own: true}}}
	if got := blocked(v); len(got) != 1 || got[0].Status != metav1.ConditionTrue || !strings.Contains(got[0].Message, "eth1") {
		t.Errorf("%+v", got)
	}
	v.wires["eth1"] = host.Probe{}
	if got := blocked(v); len(got) != 1 || got[0].Status != metav1.ConditionFalse || !strings.Contains(got[0].Message, "eth0") {
		t.Errorf("%+v", got)
	}
}

// TestABond: who carries is told as Open vSwitch has it, and a switch that does not
// answer too.
func TestABond(t *testing.T) {
	both := part("lan", "eth1", "eth2")
	both.Spec.Mode = kubeovnv1.UplinkLACP
	s := newStage(t, both)
	s.machine.snapshot.Links = append(s.machine.snapshot.Links, host.Link{Name: "eth2", Index: 4, MTU: 1500, Carrier: true})
	s.machine.members = []host.MemberState{{Name: "eth1", Carrier: true, Carries: true}, {Name: "eth2", Carrier: true}}
	status := s.expect("lan.n1", kubeovnv1.PhaseWaiting, kubeovnv1.ReasonWaitingForTurn)
	if !strings.Contains(status.Plan, "bond eth1, eth2 (LACP) as port") || status.Attachment != kubeovnv1.AttachmentPort {
		t.Errorf("plan\n%s", status.Plan)
	}
	s.approve("lan.n1")
	s.reconcile()
	status = s.expect("lan.n1", kubeovnv1.PhaseReady, "") // once Open vSwitch has told of it
	if got := states(status); got != "eth1 Active, eth2 Standby" || !strings.Contains(status.Message, "no switch speaks LACP with them") || len(s.patrol.nics) > 0 {
		t.Errorf("%s: %s, searched %v", got, status.Message, s.patrol.nics)
	}
	s.machine.members = []host.MemberState{{Name: "eth1", Carrier: true, Carries: true, Partner: true}, {Name: "eth2", Carrier: true, Carries: true, Partner: true}}
	status = s.expect("lan.n1", kubeovnv1.PhaseReady, "")
	if got := states(status); got != "eth1 Active, eth2 Active" || status.Message != "the NICs have joined" {
		t.Errorf("%s: %s", got, status.Message)
	}
	if mtu, err := s.uplinks.MTU("lan"); mtu != 1500 || err != nil {
		t.Errorf("MTU %d, %v", mtu, err)
	}
	s.change("lan.n1", func(p *kubeovnv1.ProviderNetworkNode) { p.Spec.Mode = kubeovnv1.UplinkActiveBackup })
	s.reconcile()
	s.approve("lan.n1")
	s.expect("lan.n1", kubeovnv1.PhaseReady, "")
	if s.machine.undone > 0 {
		t.Errorf("%d steps were undone for another mode", s.machine.undone)
	}
}
