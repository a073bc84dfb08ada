package uplink

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
)

func exchanged() *kubeovnv1.ProviderNetworkNode {
	p := part("lan", "eth0")
	p.Spec.ExchangeLinkName = true
	return p
}

// swap is what an exchange makes of the host.
func (s *stage) swap() {
	nic := &s.machine.snapshot.Links[0]
	bridge := *nic
	nic.Name, nic.Master = "br-lan", "ovs-system"
	bridge.Index, bridge.Kind = 9, "openvswitch"
	s.machine.snapshot.Links = append(s.machine.snapshot.Links, bridge)
	s.machine.bridges = []host.Installed{{Name: "eth0", Owner: "ProviderNetwork//lan", Ports: []string{"br-lan"}, Takeover: true}}
}

// takenOver brings an exchange all the way.
func takenOver(t *testing.T) *stage {
	t.Helper()
	s := newStage(t, exchanged())
	s.machine.has.Addresses = []host.HeldAddress{{Prefix: netip.MustParsePrefix("192.0.2.11/24")}}
	status := s.expect("lan.n1", kubeovnv1.PhaseWaiting, kubeovnv1.ReasonWaitingForTurn)
	if !strings.Contains(status.Plan, "     address 192.0.2.11/24\n   undone: ") || status.Attachment != kubeovnv1.AttachmentTakeover {
		t.Errorf("%s, plan\n%s", status.Attachment, status.Plan)
	}
	s.approve("lan.n1")
	s.expect("lan.n1", kubeovnv1.PhaseReady, "")
	s.swap()
	s.machine.has = host.Belongings{}
	s.told()
	return s
}

// TestATakeover goes on under the NIC's other name, also with an agent that has just
// been started.
func TestATakeover(t *testing.T) {
	s := takenOver(t)
	done := slices.Clone(s.machine.done)
	if err := s.uplinks.Recover(t.Context()); err != nil || !slices.Equal(done, s.machine.done) {
		t.Errorf("%v: %v instead of %v", err, s.machine.done, done)
	}
	status := s.expect("lan.n1", kubeovnv1.PhaseReady, "")
	want := kubeovnv1.UplinkStatus{Name: "eth0", MAC: "02:00:00:00:00:01", MTU: 1500, Carrier: true, Attachment: kubeovnv1.AttachmentTakeover, State: kubeovnv1.UplinkActive}
	if len(status.Interfaces) != 1 || status.Interfaces[0] != want || s.machine.undone != 0 || s.told() != "" {
		t.Errorf("%+v, %d undone", status.Interfaces, s.machine.undone)
	}
	if mtu, err := s.uplinks.MTU("lan"); mtu != 1500 || err != nil {
		t.Errorf("MTU %d, %v", mtu, err)
	}
}

// TestALeaseIsNotTakenOver: and nothing is done, and what to do instead is told.
func TestALeaseIsNotTakenOver(t *testing.T) {
	s := newStage(t, exchanged())
	s.machine.has.Addresses = []host.HeldAddress{{Prefix: netip.MustParsePrefix("192.0.2.11/24"), Leased: true}}
	status := s.expect("lan.n1", kubeovnv1.PhaseFailed, kubeovnv1.ReasonDynamicAddress)
	if !strings.Contains(status.Message, "use attachment Shared") || len(s.machine.done) != 0 {
		t.Errorf("%s: %v", status.Message, s.machine.done)
	}
}

// TestWhatComesOnANICThatIsTakenOver is moved and told; who brings it again and again
// is not fought.
func TestWhatComesOnANICThatIsTakenOver(t *testing.T) {
	s := takenOver(t)
	stray := host.Belongings{Addresses: []host.HeldAddress{{Prefix: netip.MustParsePrefix("192.0.2.200/24")}, {Prefix: netip.MustParsePrefix("fe80::1/64"), LinkLocal: true}}}
	moves := func() int {
		s.machine.did = nil
		s.reconcile()
		return len(s.machine.did)
	}
	s.machine.has = stray
	if n := moves(); n == 0 || !strings.Contains(s.told(), "Warning Mended address 192.0.2.200/24 was put on eth0") {
		t.Errorf("%d steps done", n)
	}
	if n := moves(); n != 0 || s.told() != "" || !strings.Contains(s.status("lan.n1").Message, "address 192.0.2.200/24 is on eth0 again") {
		t.Errorf("fought: %d steps, %s", n, s.status("lan.n1").Message)
	}
	if result := s.reconcile(); result.RequeueAfter != firstHold {
		t.Errorf("rests %v", result.RequeueAfter)
	}
	s.now = s.now.Add(firstHold)
	if moves() == 0 {
		t.Error("not moved after a rest")
	}
	if result := s.reconcile(); result.RequeueAfter != 2*firstHold {
		t.Errorf("rests %v", result.RequeueAfter)
	}
	s.machine.has = host.Belongings{}
	s.now = s.now.Add(2 * firstHold)
	if result := s.reconcile(); moves() == 0 || result.RequeueAfter != 0 {
		t.Errorf("rests still: %v", result.RequeueAfter)
	}
}

// TestAManagedNIC is taken over with NetworkManager being told, and stays so without
// another approval when NetworkManager goes.
func TestAManagedNIC(t *testing.T) {
	managed := part("lan", "eth0")
	managed.Spec.Attachment = kubeovnv1.AttachmentTakeover
	s := newStage(t, managed)
	s.machine.managed = []host.ManagedDevice{{Name: "eth0", Managed: true}}
	s.machine.profile = host.Profile{Name: "uplink", IPv4: "manual", IPv6: "disabled", Spares: true, Resolves: true}
	if status := s.expect("lan.n1", kubeovnv1.PhaseFailed, kubeovnv1.ReasonUnsupported); !strings.Contains(status.Message, "name servers") {
		t.Error(status.Message)
	}
	s.machine.profile.Resolves = false
	status := s.expect("lan.n1", kubeovnv1.PhaseWaiting, kubeovnv1.ReasonWaitingForTurn)
	if !strings.Contains(status.Plan, "have NetworkManager leave the addresses of eth0 to br-lan\n     profile uplink\n") {
		t.Errorf("plan\n%s", status.Plan)
	}
	s.approve("lan.n1")
	s.expect("lan.n1", kubeovnv1.PhaseReady, "")
	if quiet, bare := slices.Index(s.machine.did, host.ActionQuiet), slices.Index(s.machine.did, host.ActionBare); quiet < 0 || quiet != bare-1 {
		t.Errorf("did %v", s.machine.did)
	}
	s.machine.managed = nil
	if now := s.expect("lan.n1", kubeovnv1.PhaseReady, ""); now.PlanHash != status.PlanHash {
		t.Errorf("plan\n%s", now.Plan)
	}
}

// TestARollBackThatFails is ended as soon as it can be: the NIC has the bridge's name,
// and would not be found again.
func TestARollBackThatFails(t *testing.T) {
	s := newStage(t, exchanged())
	no := errors.New("no")
	s.reconcile()
	s.approve("lan.n1")
	s.machine.fail[host.ActionDress] = fmt.Errorf("the gateway is silent: %w", host.ErrConnectivityLost)
	s.machine.refuse = map[host.Action]error{host.ActionRename: no}
	if _, err := s.uplinks.Reconcile(t.Context(), reconcile.Request{}); !errors.Is(err, no) {
		t.Fatal(err)
	}
	s.machine.snapshot.Links[0].Name = "br-lan"
	if _, err := s.uplinks.Reconcile(t.Context(), reconcile.Request{}); !errors.Is(err, no) {
		t.Fatal(err)
	}
	if status := s.status("lan.n1"); status.Phase != kubeovnv1.PhaseFailed || !strings.Contains(status.Message, "take back what failed") {
		t.Errorf("%+v", status)
	}
	delete(s.machine.refuse, host.ActionRename)
	s.machine.snapshot.Links[0].Name = "eth0"
	s.expect("lan.n1", kubeovnv1.PhaseRolledBack, kubeovnv1.ReasonConnectivityLost)
	if len(s.machine.done) != 0 {
		t.Errorf("left: %v", s.machine.done)
	}
}

// kept is a node on which a Kube-OVN has taken the NIC over.
func kept(t *testing.T) *stage {
	t.Helper()
	s := newStage(t, part("lan", "eth0"))
	s.machine.snapshot.Links[0].Master = "ovs-system"
	s.machine.snapshot.Links = append(s.machine.snapshot.Links, host.Link{Name: "br-lan", Kind: "openvswitch", Index: 9})
	s.machine.snapshot.Addresses[0].Link = "br-lan"
	s.machine.bridges = []host.Installed{{Name: "br-lan", KubeOVN: true, Ports: []string{"eth0"}, Takeover: true}}
	s.reconcile()
	s.approve("lan.n1")
	s.expect("lan.n1", kubeovnv1.PhaseReady, "")
	if want := []host.Action{host.ActionKeep, host.ActionMapping}; !slices.Equal(s.machine.did, want) {
		t.Fatalf("did %v", s.machine.did)
	}
	s.machine.did = nil
	return s
}

// TestAKubeOVNsIsGivenBack when it is deleted: first it becomes ours.
func TestAKubeOVNsIsGivenBack(t *testing.T) {
	s := kept(t)
	var gone kubeovnv1.ProviderNetworkNode
	gone.Name = "lan.n1"
	if err := s.api.Delete(t.Context(), &gone); err != nil {
		t.Fatal(err)
	}
	s.expect("lan.n1", kubeovnv1.PhaseReleased, "")
	if len(s.machine.done) != 0 || !slices.Contains(s.machine.did, host.ActionBare) {
		t.Errorf("did %v, left %v", s.machine.did, s.machine.done)
	}
}

// TestAKubeOVNsAfterABoot is done again, as ours, without another approval.
func TestAKubeOVNsAfterABoot(t *testing.T) {
	s := kept(t)
	s.machine.snapshot.Links[0].Master, s.machine.bridges[0].Ports = "", nil
	s.machine.snapshot.Addresses[0].Link = "eth0"
	if err := s.uplinks.Recover(t.Context()); err != nil || !slices.Contains(s.machine.did, host.ActionBare) {
		t.Errorf("%v: did %v", err, s.machine.did)
	}
	s.change("lan.n1", func(p *kubeovnv1.ProviderNetworkNode) { p.Spec.ApprovedPlan = "" })
	s.machine.bridges = []host.Installed{{Name: "br-lan", Owner: "ProviderNetwork//lan", Ports: []string{"eth0"}, Takeover: true}}
	s.expect("lan.n1", kubeovnv1.PhaseReady, "")
}
