package uplink

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
	nodeplan "hawser/internal/nodeplan/uplink"
	"hawser/internal/steps"
)

// machine stands in for the host: it has what steps put there.
type machine struct {
	snapshot  host.Snapshot
	managed   []host.ManagedDevice
	profile   host.Profile
	connected bool
	done      []string
	fail      map[host.Action]error
	supported error
	kept      []string
	behind    host.Behind
	mended    []string
	limits    []host.UplinkLimit
	pinned    []host.Uplink
	wire      host.Probe
	probes    int
	followed  int
	undone    int
	lent      []string
	has       host.Belongings
	bridges   []host.Installed
	refuse    map[host.Action]error // of undoing
	did       []host.Action
	joined    []host.Uplink          // in their bridges
	stations  map[string]host.Behind // by NIC
	members   []host.MemberState
	ports     []host.PortState
}

// Bridges are those that a test says, or those that have ports.
func (m *machine) Bridges() (bridges []host.Installed) {
	if m.bridges != nil {
		return m.bridges
	}
	ports := map[string][]string{}
	for _, up := range m.joined {
		ports[up.Provider] = append(ports[up.Provider], up.Member())
	}
	for provider, names := range ports {
		bridges = append(bridges, host.Installed{Name: host.BridgeOf(provider), Owner: nodeplan.Owner(provider), Ports: names})
	}
	return bridges
}

func (m *machine) Snapshot(context.Context) (host.Snapshot, error)             { return m.snapshot, nil }
func (m *machine) Lent(context.Context, string) ([]string, error)              { return m.lent, nil }
func (m *machine) Belongings(context.Context, string) (host.Belongings, error) { return m.has, nil }
func (m *machine) Connected() bool                                             { return m.connected }
func (m *machine) Before(context.Context, host.Step) (string, error)           { return "", nil }
func (m *machine) Supported() error                                            { return m.supported }
func (m *machine) Devices(context.Context) ([]host.ManagedDevice, error)       { return m.managed, nil }
func (m *machine) PortStates(string) []host.PortState {
	return append([]host.PortState{{Members: m.members}}, m.ports...)
}

func (m *machine) Follow(context.Context, host.Uplink) ([]string, error) {
	m.followed++
	return m.mended, nil
}

func (m *machine) State(_ context.Context, u host.Uplink) (host.UplinkState, error) {
	link, _ := m.snapshot.Link(u.NIC)
	return host.UplinkState{Limits: m.limits, Carrier: link.Carrier}, nil
}

func (m *machine) Pinned() ([]host.Uplink, error) { return m.pinned, nil }

func (m *machine) Probe(context.Context, host.Uplink) (host.Probe, error) {
	m.probes++
	return m.wire, nil
}

func (m *machine) Counters(host.Uplink) (host.UplinkCounters, error) {
	return host.UplinkCounters{Spoofed: host.Tally{Frames: 3, Bytes: 180}}, nil
}

func (m *machine) Do(_ context.Context, step host.Step) error {
	if err := m.fail[step.Action]; err != nil {
		return err
	}
	if _, found := m.snapshot.NIC(step.Uplink); !found && !step.OfBridge() {
		return fmt.Errorf("%s: %w", step.Uplink.NIC, host.ErrMissing)
	}
	if step.Action == host.ActionJoin {
		m.leave(step.Uplink)
		if !step.Uplink.Standby {
			m.joined = append(m.joined, step.Uplink)
		}
	}
	m.did = append(m.did, step.Action)
	if step.Action == host.ActionPromisc {
		m.mended = nil // done again, and nobody told of it
	}
	if !slices.Contains(m.done, step.Text()) {
		m.done = append(m.done, step.Text())
	}
	return nil
}

func (m *machine) Undo(_ context.Context, step host.Step) error {
	if err := m.refuse[step.Action]; err != nil {
		return err
	}
	m.undone++
	if step.Action == host.ActionJoin {
		m.leave(step.Uplink)
	}
	m.done = slices.DeleteFunc(m.done, func(text string) bool { return text == step.Text() })
	return nil
}

func (m *machine) leave(up host.Uplink) {
	m.joined = slices.DeleteFunc(m.joined, func(have host.Uplink) bool { return have.NIC == up.NIC })
}

// network is the machine as NetworkManager and as the taps.
type network struct{ *machine }

func (n network) Profile(context.Context, string) (host.Profile, error) { return n.profile, nil }

func (n network) Keep(_ context.Context, devices ...string) (bool, error) {
	n.kept = devices
	return true, nil
}

type taps struct{ *machine }

func (t taps) Keep(_ context.Context, up host.Uplink, want host.Behind) (int, error) {
	t.behind = want
	if t.stations == nil {
		t.stations = map[string]host.Behind{}
	}
	t.stations[up.NIC] = want
	return 0, nil
}

type stage struct {
	*testing.T
	uplinks *Uplinks
	machine *machine
	api     client.Client
	events  *events.FakeRecorder
	now     time.Time
	journal string // its folder
	patrol  *patrol
}

var request = reconcile.Request{}

var actions = []host.Action{
	host.ActionBridge, host.ActionPair, host.ActionIsolate, host.ActionJoin, host.ActionLoad,
	host.ActionFilter, host.ActionPromisc, host.ActionUp, host.ActionBond, host.ActionMapping,
	host.ActionWitness, host.ActionHold, host.ActionRename, host.ActionDress, host.ActionCopy, host.ActionSwitch, host.ActionBare,
	host.ActionRelease, host.ActionConfirm, host.ActionKeep, host.ActionQuiet,
}

func newStage(t *testing.T, objects ...client.Object) *stage {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), kubeovnv1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	m := &machine{connected: true, fail: map[host.Action]error{}, snapshot: host.Snapshot{
		Links:     []host.Link{{Name: "eth0", Index: 2, MTU: 1500, MAC: host.MAC{2, 0, 0, 0, 0, 1}, Up: true, Carrier: true}, {Name: "eth1", Index: 3, MTU: 9000, Carrier: true}},
		Addresses: []host.Address{{Link: "eth0", Prefix: netip.MustParsePrefix("192.0.2.11/24")}},
	}}
	edges := map[host.Action]steps.Edge{}
	for _, action := range actions {
		edges[action] = m
	}
	folder, err := os.MkdirTemp("/dev/shm", "hawser-uplinks-") // each step waits for the disk
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	journal, err := steps.Open(folder, "boot-1", edges)
	if err != nil {
		t.Fatal(err)
	}
	api := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&kubeovnv1.ProviderNetworkNode{}).WithObjects(objects...).Build()
	s := &stage{T: t, machine: m, api: api, events: events.NewFakeRecorder(100), now: time.Unix(1e9, 0), journal: folder, patrol: &patrol{}}
	s.uplinks = &Uplinks{
		Node: "n1", Options: nodeplan.Options{Mark: host.UplinkMark, Takeover: true}, Client: api, Events: s.events,
		Edges:     Edges{Kernel: m, Switch: m, NetworkManager: network{m}, Taps: taps{m}, Prober: m, Mover: m, Journal: journal, Patrol: s.patrol},
		Userspace: func() bool { return false }, Now: func() time.Time { return s.now },
	}
	return s
}

func part(provider string, nics ...string) *kubeovnv1.ProviderNetworkNode {
	return &kubeovnv1.ProviderNetworkNode{
		ObjectMeta: metav1.ObjectMeta{Name: provider + ".n1", UID: "uid-" + "x", Generation: 1, Finalizers: []string{kubeovnv1.Finalizer}},
		Spec:       kubeovnv1.ProviderNetworkNodeSpec{ProviderNetwork: provider, Node: "n1", Interfaces: nics},
	}
}

func (s *stage) reconcile() reconcile.Result {
	s.Helper()
	result, err := s.uplinks.Reconcile(s.Context(), reconcile.Request{})
	if err != nil {
		s.Fatal(err)
	}
	return result
}

func (s *stage) status(name string) kubeovnv1.ProviderNetworkNodeStatus {
	s.Helper()
	var part kubeovnv1.ProviderNetworkNode
	if err := s.api.Get(s.Context(), client.ObjectKey{Name: name}, &part); err != nil {
		s.Fatal(err)
	}
	return part.Status
}

// change edits a part as the controller does.
func (s *stage) change(name string, edit func(*kubeovnv1.ProviderNetworkNode)) {
	s.Helper()
	var part kubeovnv1.ProviderNetworkNode
	if err := s.api.Get(s.Context(), client.ObjectKey{Name: name}, &part); err != nil {
		s.Fatal(err)
	}
	edit(&part)
	if err := s.api.Update(s.Context(), &part); err != nil {
		s.Fatal(err)
	}
}

func (s *stage) approve(name string) {
	s.Helper()
	hash := s.status(name).PlanHash
	s.change(name, func(p *kubeovnv1.ProviderNetworkNode) { p.Spec.ApprovedPlan, p.Generation = hash, p.Generation+1 })
}

func (s *stage) expect(name string, phase kubeovnv1.NodePhase, reason string) kubeovnv1.ProviderNetworkNodeStatus {
	s.Helper()
	s.reconcile()
	status := s.status(name)
	if status.Phase != phase || status.Reason != reason {
		s.Fatalf("phase %s, reason %s: %s; want %s %s", status.Phase, status.Reason, status.Message, phase, reason)
	}
	return status
}

func (s *stage) told() string {
	text := ""
	for len(s.events.Events) > 0 {
		text += <-s.events.Events + "\n"
	}
	return text
}

// joined brings a part all the way.
func joined(t *testing.T, objects ...client.Object) *stage {
	t.Helper()
	s := newStage(t, append(objects, part("lan", "eth0"))...)
	s.expect("lan.n1", kubeovnv1.PhaseWaiting, kubeovnv1.ReasonWaitingForTurn)
	s.approve("lan.n1")
	s.expect("lan.n1", kubeovnv1.PhaseReady, "")
	return s
}

func TestANICJoinsWhenItIsItsTurn(t *testing.T) {
	s := newStage(t, part("lan", "eth0"))
	status := s.expect("lan.n1", kubeovnv1.PhaseWaiting, kubeovnv1.ReasonWaitingForTurn)
	if len(s.machine.done) != 0 || !strings.Contains(status.Plan, "bridge frames between eth0") || status.Attachment != kubeovnv1.AttachmentShared {
		t.Errorf("done %v, plan\n%s", s.machine.done, status.Plan)
	}
	if _, err := s.uplinks.MTU("lan"); err == nil || !strings.Contains(err.Error(), "waits to be approved") {
		t.Error(err)
	}
	s.approve("lan.n1")
	status = s.expect("lan.n1", kubeovnv1.PhaseReady, "")
	want := kubeovnv1.UplinkStatus{Name: "eth0", MAC: "02:00:00:00:00:01", MTU: 1500, Carrier: true, Attachment: kubeovnv1.AttachmentShared, State: kubeovnv1.UplinkActive}
	if len(s.machine.done) != 7 || len(status.Interfaces) != 1 || status.Interfaces[0] != want || status.ObservedGeneration != 2 {
		t.Errorf("done %v, status %+v", s.machine.done, status)
	}
	if c := status.Conditions; len(c) != 1 || c[0].Type != kubeovnv1.ConditionReady || c[0].Status != metav1.ConditionTrue {
		t.Errorf("conditions %+v", c)
	}
	if mtu, err := s.uplinks.MTU("lan"); mtu != 1500 || err != nil {
		t.Errorf("MTU %d, %v", mtu, err)
	}
	if got := s.told(); !strings.Contains(got, "Normal Waiting") || !strings.Contains(got, "Normal Running") || !strings.Contains(got, "Normal Ready") {
		t.Errorf("told\n%s", got)
	}
	if !slices.Equal(s.machine.kept, []string{"br-lan", "hwo*", "hww*"}) {
		t.Errorf("kept from NetworkManager: %v", s.machine.kept)
	}
	s.now = s.now.Add(time.Hour)
	if s.expect("lan.n1", kubeovnv1.PhaseReady, ""); s.told() != "" {
		t.Error("told again")
	}
}

func TestADryRunDoesNothing(t *testing.T) {
	dry := part("lan", "eth1")
	dry.Spec.DryRun = true
	s := newStage(t, dry)
	if status := s.expect("lan.n1", kubeovnv1.PhasePlanned, ""); status.Attachment != kubeovnv1.AttachmentPort || len(s.machine.done) != 0 {
		t.Errorf("%+v", status)
	}
}

func TestARestartedAgentChangesNothing(t *testing.T) {
	s := joined(t)
	done := slices.Clone(s.machine.done)
	s.uplinks = &Uplinks{
		Node: "n1", Options: s.uplinks.Options, Client: s.api, Events: s.events, Edges: s.uplinks.Edges,
		Userspace: s.uplinks.Userspace, Now: s.uplinks.Now,
	}
	if err := s.uplinks.Recover(t.Context()); err != nil || !slices.Equal(done, s.machine.done) {
		t.Errorf("%v: %v", err, s.machine.done)
	}
	s.machine.done = nil // a boot
	if err := s.uplinks.Recover(t.Context()); err != nil || !slices.Equal(done, s.machine.done) {
		t.Errorf("%v: %v", err, s.machine.done)
	}
	s.change("lan.n1", func(p *kubeovnv1.ProviderNetworkNode) { p.Spec.ApprovedPlan = "" })
	s.expect("lan.n1", kubeovnv1.PhaseReady, "")
}

// TestAPodsDeviceOnANIC, in its own namespace, makes the NIC one that is in use.
func TestAPodsDeviceOnANIC(t *testing.T) {
	s := newStage(t, part("lan", "eth1"))
	s.machine.lent = []string{"net1"}
	if status := s.expect("lan.n1", kubeovnv1.PhaseWaiting, kubeovnv1.ReasonWaitingForTurn); status.Attachment != kubeovnv1.AttachmentShared {
		t.Errorf("%+v", status)
	}
	s.change("lan.n1", func(p *kubeovnv1.ProviderNetworkNode) { p.Spec.Attachment = kubeovnv1.AttachmentPort })
	if status := s.expect("lan.n1", kubeovnv1.PhaseFailed, kubeovnv1.ReasonInterfaceInUse); !strings.Contains(status.Message, "has net1 on top, in other network namespaces") {
		t.Errorf("%+v", status)
	}
}

func TestProblemsAreToldAndTouchNothing(t *testing.T) {
	s := newStage(t, part("lan", "eth9"))
	s.expect("lan.n1", kubeovnv1.PhasePending, kubeovnv1.ReasonInterfaceNotFound)
	if got := s.told(); !strings.Contains(got, "Warning InterfaceNotFound eth9: eth9 is not on this node") {
		t.Error(got)
	}
	s.machine.snapshot.Links = append(s.machine.snapshot.Links, host.Link{Name: "eth9", Index: 9, MTU: 1500})
	s.expect("lan.n1", kubeovnv1.PhaseWaiting, kubeovnv1.ReasonWaitingForTurn)
	s.change("lan.n1", func(p *kubeovnv1.ProviderNetworkNode) {
		p.Spec.Interfaces, p.Spec.Mode, p.Spec.Attachment = []string{"eth9", "eth1"}, kubeovnv1.UplinkActiveBackup, kubeovnv1.AttachmentShared
	})
	s.expect("lan.n1", kubeovnv1.PhaseFailed, kubeovnv1.ReasonUnsupported)
	if len(s.machine.done) != 0 {
		t.Errorf("done %v", s.machine.done)
	}
}

func TestWhatStandsStaysThroughMistakesAndOutages(t *testing.T) {
	s := joined(t)
	s.machine.connected = false
	s.expect("lan.n1", kubeovnv1.PhasePending, kubeovnv1.ReasonOVSUnavailable)
	s.machine.connected = true
	s.expect("lan.n1", kubeovnv1.PhaseReady, "")
	s.change("lan.n1", func(p *kubeovnv1.ProviderNetworkNode) { p.Spec.Interfaces = []string{"typo"} })
	status := s.expect("lan.n1", kubeovnv1.PhasePending, kubeovnv1.ReasonInterfaceNotFound)
	if len(s.machine.done) != 7 || !strings.Contains(status.Message, "stays as it is") {
		t.Errorf("%s: %v", status.Message, s.machine.done)
	}
	s.machine.fail[host.ActionMapping] = errors.New("no")
	s.change("lan.n1", func(p *kubeovnv1.ProviderNetworkNode) { p.Spec.Interfaces = []string{"eth0"} })
	if _, err := s.uplinks.Reconcile(t.Context(), reconcile.Request{}); err == nil || len(s.machine.done) != 7 {
		t.Errorf("%v: %v", err, s.machine.done)
	}
	if status := s.status("lan.n1"); status.Phase != kubeovnv1.PhaseFailed || status.Reason != kubeovnv1.ReasonOVSUnavailable || !strings.HasPrefix(status.Step, "map network") {
		t.Errorf("%+v", status)
	}
}

func TestAFailureIsRolledBackAndTriedAgainLater(t *testing.T) {
	s := newStage(t, part("lan", "eth0"))
	s.machine.fail[host.ActionFilter] = fmt.Errorf("refused: %w", host.ErrKernelUnsupported)
	s.reconcile()
	s.approve("lan.n1")
	status := s.expect("lan.n1", kubeovnv1.PhaseRolledBack, kubeovnv1.ReasonKernelUnsupported)
	if len(s.machine.done) != 0 || !strings.HasPrefix(status.Step, "bridge frames") {
		t.Errorf("%+v: %v", status, s.machine.done)
	}
	delete(s.machine.fail, host.ActionFilter)
	if result := s.reconcile(); result.RequeueAfter != firstHold || len(s.machine.done) != 0 {
		t.Errorf("rests %v, done %v", result.RequeueAfter, s.machine.done)
	}
	s.now = s.now.Add(firstHold)
	s.expect("lan.n1", kubeovnv1.PhaseReady, "")
	if result := s.reconcile(); result.RequeueAfter != 0 {
		t.Errorf("rests %v", result.RequeueAfter)
	}
}

func TestRestsGrow(t *testing.T) {
	var h holds
	why := verdict{result: &nodeplan.Result{}}
	now := time.Unix(0, 0)
	for range 20 {
		h.hold("lan", why, now)
	}
	if got := h.next(now); got != lastHold {
		t.Errorf("rests %v", got)
	}
	if held, _ := h.held("lan", "another plan", now); held {
		t.Error("another plan rests too")
	}
}

func TestAKernelThatCannot(t *testing.T) {
	s := newStage(t, part("lan", "eth0"), part("own", "eth1"))
	s.machine.supported = fmt.Errorf("no cls_bpf: %w", host.ErrKernelUnsupported)
	s.reconcile()
	s.approve("lan.n1")
	s.approve("own.n1")
	s.expect("lan.n1", kubeovnv1.PhaseFailed, kubeovnv1.ReasonKernelUnsupported)
	s.expect("own.n1", kubeovnv1.PhaseReady, "")
}

func TestReleasedWhenDeleted(t *testing.T) {
	s := joined(t)
	var gone kubeovnv1.ProviderNetworkNode
	gone.Name = "lan.n1"
	if err := s.api.Delete(t.Context(), &gone); err != nil {
		t.Fatal(err)
	}
	s.expect("lan.n1", kubeovnv1.PhaseReleased, "")
	if len(s.machine.done) != 0 || s.machine.kept != nil {
		t.Errorf("left on the host: %v, %v", s.machine.done, s.machine.kept)
	}
	if s.reconcile(); s.machine.kept != nil {
		t.Errorf("kept from NetworkManager again before the object is gone: %v", s.machine.kept)
	}
	if _, err := s.uplinks.MTU("lan"); err == nil {
		t.Error("it has an MTU still")
	}
}

// TestSweep: the object went while no agent ran, or its finalizer was taken off.
func TestSweep(t *testing.T) {
	s := joined(t)
	s.change("lan.n1", func(p *kubeovnv1.ProviderNetworkNode) { p.Finalizers = nil })
	var gone kubeovnv1.ProviderNetworkNode
	gone.Name = "lan.n1"
	if err := s.api.Delete(t.Context(), &gone); err != nil {
		t.Fatal(err)
	}
	if s.reconcile(); len(s.machine.done) != 0 || s.machine.kept != nil {
		t.Errorf("left on the host: %v, %v", s.machine.done, s.machine.kept)
	}
}

func TestLeave(t *testing.T) {
	s := joined(t)
	if err := s.uplinks.Leave(t.Context()); err != nil || len(s.machine.done) != 0 || s.machine.kept != nil {
		t.Errorf("%v: %v, %v", err, s.machine.done, s.machine.kept)
	}
	if s.reconcile(); len(s.machine.done) != 0 {
		t.Errorf("it came back: %v", s.machine.done)
	}
}

func podIn(name, provider, vlan, mac string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", Annotations: map[string]string{
		kubeovnv1.AnnotationProviderNetwork: provider, kubeovnv1.AnnotationVlanID: vlan, kubeovnv1.AnnotationMACAddress: mac,
	}}}
}

func TestWhoIsBehindTheBridge(t *testing.T) {
	bridge := podIn("bridge", "lan", "7", "02:00:00:00:00:03")
	bridge.Annotations[kubeovnv1.AnnotationLayer2Forward] = "true"
	over := podIn("over", "lan", "0", "02:00:00:00:00:04")
	over.Status.Phase = corev1.PodSucceeded
	s := joined(t, podIn("a", "lan", "0", "02:00:00:00:00:02"), bridge, over,
		podIn("other", "wan", "0", "02:00:00:00:00:05"), podIn("early", "lan", "0", ""))
	got := s.machine.behind
	slices.SortFunc(got.Stations, func(a, b host.Station) int { return a.VLAN - b.VLAN })
	want := []host.Station{{MAC: host.MAC{2, 0, 0, 0, 0, 2}}, {VLAN: 7, MAC: host.MAC{2, 0, 0, 0, 0, 3}}}
	if !slices.Equal(got.Stations, want) || !got.Learn {
		t.Errorf("%+v", got)
	}
}

func TestWhatWasUndoneByOthersIsTold(t *testing.T) {
	s := joined(t)
	s.told()
	s.machine.mended = []string{"eth0 was not promiscuous any more"}
	s.machine.limits = []host.UplinkLimit{{Reason: "LROStuck", Message: "ethtool -K eth0 lro off fails"}}
	status := s.expect("lan.n1", kubeovnv1.PhaseReady, "")
	if got := s.told(); !strings.Contains(got, "Warning Mended eth0 was not") || !strings.Contains(status.Message, "LROStuck") {
		t.Errorf("told %q, message %q", got, status.Message)
	}
}

func TestMetrics(t *testing.T) {
	s := joined(t)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(Counters{Uplinks: s.uplinks})
	metrics, err := registry.Gather()
	if err != nil || len(metrics) != 3 || len(metrics[0].Metric) != 11 || len(metrics[2].Metric) != 3 {
		t.Fatalf("%v: %v", err, metrics)
	}
	for _, metric := range metrics[2].Metric {
		if active := strings.Contains(metric.String(), "Active"); active != (metric.GetGauge().GetValue() == 1) {
			t.Errorf("states: %v", metric)
		}
	}
	for _, metric := range metrics[1].Metric {
		if strings.Contains(metric.String(), "spoofed") && metric.GetCounter().GetValue() != 3 {
			t.Errorf("spoofed frames: %v", metric)
		}
	}
}
