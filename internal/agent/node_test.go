package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
	"hawser/internal/nodeplan/overlay"
)

// edge stands in for Open vSwitch, kernel and packet filter. It takes what it
// is given, counts a change the first time, and fails where it is told to.
type edge struct {
	ids       map[string]string
	snapshot  host.Snapshot
	installed error
	fail      map[string]error // by the name of a call
	calls     []string
	applied   map[string]string
}

func (e *edge) do(call string, want any) (int, error) {
	e.calls = append(e.calls, call)
	if err := e.fail[call]; err != nil {
		return 0, err
	}
	text := fmt.Sprintf("%+v", want)
	if e.applied[call] == text {
		return 0, nil
	}
	e.applied[call] = text
	return 1, nil
}

type fakeSwitch struct{ *edge }

func (f fakeSwitch) Apply(_ context.Context, owner string, want host.Switching) (int, error) {
	return f.do("switch "+owner, want)
}

func (f fakeSwitch) SetExternalIDs(_ context.Context, want map[string]string) (int, error) {
	return f.do("external ids", want)
}
func (f fakeSwitch) ExternalID(key string) string { return f.ids[key] }
func (f fakeSwitch) Installed(context.Context, string) error {
	return f.installed
}

type fakeKernel struct{ *edge }

func (f fakeKernel) Snapshot(context.Context) (host.Snapshot, error) {
	return f.snapshot, f.fail["snapshot"]
}

func (f fakeKernel) Make(_ context.Context, want []host.Link) (int, error) { return f.do("make", want) }

func (f fakeKernel) Apply(_ context.Context, want host.Network) (int, error) {
	return f.do("kernel", want)
}

func (f fakeKernel) SetPodLinks(_ context.Context, up bool) (int, error) {
	f.applied["pod links"] = fmt.Sprint(up)
	return 0, f.fail["pod links"]
}

type fakeFilter struct{ *edge }

func (f fakeFilter) Filter(_ context.Context, want host.Filtering) (int, error) {
	return f.do("filter", want)
}

func (f fakeFilter) Confine(_ context.Context, want []host.Address) (int, error) {
	return f.do("confine", want)
}

// stage is a reconciler with all that it works on.
type stage struct {
	t      *testing.T
	node   *Node
	edge   *edge
	api    client.Client
	writes *int
	events *events.FakeRecorder
}

func newStage(t *testing.T, objects ...client.Object) stage {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), kubeovnv1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	writes := 0
	api := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&corev1.Node{}).WithObjects(objects...).
		WithInterceptorFuncs(interceptor.Funcs{
			Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
				writes++
				return c.Patch(ctx, obj, patch, opts...)
			},
			SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
				writes++
				return c.SubResource(sub).Patch(ctx, obj, patch, opts...)
			},
		}).Build()
	e := &edge{
		ids:     map[string]string{"system-id": "chassis-1"},
		fail:    map[string]error{},
		applied: map[string]string{},
		snapshot: host.Snapshot{
			Links:     []host.Link{{Name: "eth0", MTU: 1500, MAC: host.MAC{2, 0, 0, 0, 0, 1}}},
			Addresses: []host.Address{{Link: "eth0", Prefix: netip.MustParsePrefix("172.30.0.11/24")}},
		},
	}
	recorder := events.NewFakeRecorder(100)
	return stage{t: t, edge: e, api: api, writes: &writes, events: recorder, node: &Node{
		Name: "n1", Client: api, Events: recorder, Host: Host{Switch: fakeSwitch{e}, Kernel: fakeKernel{e}, Filter: fakeFilter{e}}, State: &State{}, Uplinks: fakeUplinks{e},
		Options:  overlay.Options{Vpc: "ovn-cluster", JoinSubnet: "join", EncapCIDR: netip.MustParsePrefix("198.19.0.0/16")},
		Conflist: File{Path: filepath.Join(t.TempDir(), "01-kube-ovn.conflist"), Content: []byte("{}\n")},
	}}
}

func plainNode() *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "n1", Annotations: map[string]string{}},
		Status:     corev1.NodeStatus{Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "172.30.0.11"}}},
	}
}

func allocatedNode() *corev1.Node {
	node := plainNode()
	node.Annotations = map[string]string{
		kubeovnv1.AnnotationIPAddress:  "100.64.0.2",
		kubeovnv1.AnnotationMACAddress: "0a:00:00:00:00:02",
		kubeovnv1.AnnotationCIDR:       "100.64.0.0/16",
		kubeovnv1.AnnotationGateway:    "100.64.0.1",
		kubeovnv1.AnnotationPortName:   "node-n1",
	}
	return node
}

func defaultSubnet() *kubeovnv1.Subnet {
	subnet := &kubeovnv1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "ovn-default"}}
	subnet.Spec.CIDRBlock, subnet.Spec.NatOutgoing = "10.16.0.0/16", true
	return subnet
}

func (s stage) reconcile() error {
	s.edge.calls = nil
	_, err := s.node.Reconcile(s.t.Context(), reconcile.Request{})
	return err
}

func (s stage) mustReconcile() {
	s.t.Helper()
	if err := s.reconcile(); err != nil {
		s.t.Fatal(err)
	}
}

func (s stage) condition() string {
	s.t.Helper()
	var node corev1.Node
	if err := s.api.Get(s.t.Context(), client.ObjectKey{Name: "n1"}, &node); err != nil {
		s.t.Fatal(err)
	}
	have := conditionOf(&node)
	if have == nil {
		return "none"
	}
	return fmt.Sprintf("%s %s: %s", have.Status, have.Reason, have.Message)
}

func (s stage) conflistThere() bool {
	_, err := os.Stat(s.node.Conflist.Path)
	return err == nil
}

func TestANodeBecomesReady(t *testing.T) {
	s := newStage(t, plainNode(), defaultSubnet())
	s.edge.installed = errors.New("ovn-controller has not installed it")

	s.mustReconcile()
	if len(s.edge.calls) != 0 {
		t.Errorf("before the controller gave ovn0 an address: %v", s.edge.calls)
	}
	if got := s.condition(); !strings.HasPrefix(got, "True JoinSubnetGatewayUnreachable: the controller has not given") {
		t.Errorf("condition %s", got)
	}

	if err := s.api.Update(t.Context(), withVersion(s, allocatedNode())); err != nil {
		t.Fatal(err)
	}
	s.mustReconcile()
	if want := []string{"make", "confine", "filter", "external ids", "switch Node", "kernel"}; !slices.Equal(s.edge.calls, want) {
		t.Errorf("order %v, want %v", s.edge.calls, want)
	}
	if got := s.condition(); got != "True JoinSubnetGatewayUnreachable: ovn-controller has not installed it" {
		t.Errorf("condition %s", got)
	}
	if s.conflistThere() || s.node.State.Ready() == nil {
		t.Error("the node is called ready too early")
	}

	s.edge.installed = nil
	s.mustReconcile()
	if got := s.condition(); got != "False JoinSubnetGatewayReachable: ovn0 is connected to the join subnet" {
		t.Errorf("condition %s", got)
	}
	if !s.conflistThere() || s.node.State.Ready() != nil || s.node.State.MTU() != 1400 {
		t.Errorf("conflist %v, ready %v, MTU %d", s.conflistThere(), s.node.State.Ready(), s.node.State.MTU())
	}
	var node corev1.Node
	if err := s.api.Get(t.Context(), client.ObjectKey{Name: "n1"}, &node); err != nil || node.Annotations[kubeovnv1.AnnotationChassis] != "chassis-1" {
		t.Errorf("chassis annotation %q, %v", node.Annotations[kubeovnv1.AnnotationChassis], err)
	}
}

// withVersion makes an object fit to replace the one that is there.
func withVersion(s stage, node *corev1.Node) *corev1.Node {
	var have corev1.Node
	if err := s.api.Get(s.t.Context(), client.ObjectKeyFromObject(node), &have); err != nil {
		s.t.Fatal(err)
	}
	node.ResourceVersion = have.ResourceVersion
	return node
}

// readyStage is a node that has been set up completely.
func readyStage(t *testing.T) stage {
	t.Helper()
	s := newStage(t, allocatedNode(), defaultSubnet())
	s.mustReconcile()
	if s.node.State.Ready() != nil {
		t.Fatal("the node is not ready")
	}
	*s.writes = 0
	return s
}

func TestARestartChangesNothing(t *testing.T) {
	s := readyStage(t)
	before := fmt.Sprint(s.edge.applied)
	written, _ := os.Stat(s.node.Conflist.Path)
	restarted := *s.node
	restarted.State, restarted.told, restarted.why = &State{}, nil, nil
	s.node = &restarted
	s.mustReconcile()
	again, _ := os.Stat(s.node.Conflist.Path)
	if *s.writes != 0 || fmt.Sprint(s.edge.applied) != before || !os.SameFile(written, again) {
		t.Errorf("%d writes to the API, conflist written anew: %v", *s.writes, !os.SameFile(written, again))
	}
}

func TestAnOutageTakesNothing(t *testing.T) {
	for name, breakIt := range map[string]func(e *edge){
		"ovn-controller gone":  func(e *edge) { e.installed = errors.New("not installed") },
		"ovs-vswitchd gone":    func(e *edge) { e.fail["kernel"] = fmt.Errorf("ovn0: %w", host.ErrMissing) },
		"ovsdb-server gone":    func(e *edge) { e.fail["switch Node"] = errors.New("not connected") },
		"Open vSwitch unset":   func(e *edge) { e.ids = nil },
		"host cannot be read":  func(e *edge) { e.fail["snapshot"] = errors.New("no buffer") },
		"tunnel's NIC is gone": func(e *edge) { e.snapshot = host.Snapshot{} },
		"nft does not answer":  func(e *edge) { e.fail["filter"] = errors.New("nft: timeout") },
	} {
		s := readyStage(t)
		breakIt(s.edge)
		_ = s.reconcile() // whether it is tried again is not the point
		if got := s.condition(); !strings.HasPrefix(got, "False ") {
			t.Errorf("%s: condition %s", name, got)
		}
		if !s.conflistThere() || s.node.State.Ready() != nil || s.node.State.MTU() != 1400 {
			t.Errorf("%s: conflist %v, ready %v, MTU %d", name, s.conflistThere(), s.node.State.Ready(), s.node.State.MTU())
		}
		for _, kept := range []string{"kernel", "filter"} {
			if !strings.Contains(s.edge.applied[kept], "10.16.0.0/16") {
				t.Errorf("%s: %s was emptied: %s", name, kept, s.edge.applied[kept])
			}
		}
	}
}

func TestAnOutageIsAnEventOnce(t *testing.T) {
	s := readyStage(t)
	s.edge.installed = errors.New("not installed")
	s.mustReconcile()
	s.mustReconcile()
	if got := len(s.events.Events); got != 1 {
		t.Fatalf("%d events", got)
	}
	if event := <-s.events.Events; !strings.Contains(event, "JoinSubnetGatewayUnreachable not installed") {
		t.Errorf("event %q", event)
	}
}

func TestAProblemIsAnEventOnce(t *testing.T) {
	node := allocatedNode()
	node.Annotations[kubeovnv1.AnnotationTunnelInterface] = "no-such-nic"
	s := newStage(t, node)
	s.mustReconcile()
	s.mustReconcile()
	if got := len(s.events.Events); got != 1 {
		t.Fatalf("%d events", got)
	}
	if event := <-s.events.Events; !strings.Contains(event, "TunnelInterfaceNotFound") {
		t.Errorf("event %q", event)
	}
	if got := s.condition(); !strings.Contains(got, "no-such-nic") {
		t.Errorf("condition %s", got)
	}
}

func TestADeviceThatIsNotIsolatedIsNotUsed(t *testing.T) {
	s := newStage(t, allocatedNode())
	s.edge.ids[keyDatapath] = userspaceDatapath
	s.edge.fail["filter"] = errors.New("nft: no such family")
	if err := s.reconcile(); err == nil {
		t.Error("the failure is not tried again")
	}
	if want := []string{"make", "confine", "filter"}; !slices.Equal(s.edge.calls, want) {
		t.Errorf("calls %v, want %v", s.edge.calls, want)
	}
	delete(s.edge.fail, "filter")
	s.mustReconcile()
	if !strings.Contains(s.edge.applied["kernel"], "hwencap") || !s.node.Userspace() {
		t.Errorf("applied to the kernel: %s", s.edge.applied["kernel"])
	}
}

func TestWhatIsMissingIsNoError(t *testing.T) {
	missing := func(name string) error { return fmt.Errorf("%s: %w", name, host.ErrMissing) }
	s := newStage(t, allocatedNode())
	s.edge.fail["kernel"] = errors.Join(missing("ovn0"), missing("br-encap"))
	s.edge.fail["switch Node"] = missing("br-int")
	s.mustReconcile()
	if got := s.condition(); !strings.Contains(got, "ovn0: device is not there yet") {
		t.Errorf("condition %s", got)
	}
	s.edge.fail["kernel"] = errors.Join(missing("ovn0"), errors.New("no permission"))
	if err := s.reconcile(); err == nil || !strings.Contains(err.Error(), "no permission") {
		t.Errorf("a real error is not tried again: %v", err)
	}
}

func TestANodeThatIsUnknown(t *testing.T) {
	s := newStage(t)
	s.mustReconcile()
	if len(s.edge.calls) != 0 || *s.writes != 0 {
		t.Errorf("calls %v, %d writes", s.edge.calls, *s.writes)
	}
}

func TestUninstallationTakesAllAway(t *testing.T) {
	s := readyStage(t)
	node := withVersion(s, allocatedNode())
	node.Annotations[kubeovnv1.AnnotationChassis], node.Annotations[kubeovnv1.AnnotationLeaving] = "chassis-1", "true"
	if err := s.api.Update(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	if got := s.edge.applied["pod links"]; got != "true" {
		t.Errorf("pods' links up: %s", got)
	}
	s.edge.ids[keyDatapath] = userspaceDatapath
	s.edge.fail["filter"] = errors.New("nft: timeout")
	if err := s.reconcile(); err == nil || s.conflistThere() {
		t.Errorf("%v; the conflist is there: %v", err, s.conflistThere())
	}
	delete(s.edge.fail, "filter")
	s.mustReconcile()
	if want := fmt.Sprintf("%+v", host.Network{}); s.edge.applied["kernel"] != want {
		t.Errorf("left in the kernel: %s", s.edge.applied["kernel"])
	}
	if got := s.edge.applied["pod links"]; got != "false" {
		t.Errorf("pods' links up: %s", got)
	}
	var left corev1.Node
	if err := s.api.Get(t.Context(), client.ObjectKey{Name: "n1"}, &left); err != nil || left.Annotations[kubeovnv1.AnnotationChassis] != "" {
		t.Errorf("it is not told: %v, %v", left.Annotations, err)
	}
	delete(left.Annotations, kubeovnv1.AnnotationLeaving)
	if err := s.api.Update(t.Context(), &left); err != nil {
		t.Fatal(err)
	}
	s.mustReconcile()
	if len(s.edge.calls) != 0 || s.conflistThere() {
		t.Errorf("it came back: %v", s.edge.calls)
	}
}
