package cni

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllertest"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/cniwire"
	"hawser/internal/host"
	"hawser/internal/kernel"
	"hawser/internal/vswitch"
	"hawser/test/netnstest"
	"hawser/test/ovntest"
)

// rig is a node with a real kernel and a real ovsdb-server. The
// pods come from a book instead of an API server, and a test plays ovn-controller.
type rig struct {
	t     *testing.T
	db    *ovntest.Database
	vs    *vswitch.Client
	links *kernel.Client
	pods  *podBook
}

// newRig moves the test into a namespace of its own.
func newRig(t *testing.T) *rig {
	t.Helper()
	netnstest.Enter(t)
	r := &rig{t: t, db: ovntest.VSwitch(t), pods: newPodBook()}
	r.db.VSCtl("add-br", "br-int")
	var err error
	if r.vs, err = vswitch.Dial(t.Context(), r.db.Endpoint); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.vs.Close)
	if r.links, err = kernel.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.links.Close)
	return r
}

func (r *rig) config() Config {
	return Config{
		Pods: r.pods, Switch: r.vs, Links: r.links,
		MTU: func(context.Context, *corev1.Pod) (int, error) { return 1400, nil }, Ready: func() error { return nil },
		AddressWait: 5 * time.Second, InstallWait: 5 * time.Second,
	}
}

// server is a fresh one, as after a restart of the agent.
func (r *rig) server() *Server { return r.serverOf(r.config()) }

func (r *rig) serverOf(cfg Config) *Server {
	r.t.Helper()
	s := New(cfg)
	if err := s.pods.listen(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	return s
}

// ovnController marks every port with an iface-id as installed, until the test ends.
func (r *rig) ovnController() {
	installer, err := vswitch.Dial(r.t.Context(), r.db.Endpoint)
	if err != nil {
		r.t.Fatal(err)
	}
	hint := installer.Changed()
	go func() {
		defer installer.Close()
		for {
			r.install(installer)
			select {
			case <-hint:
			case <-r.t.Context().Done():
				return
			}
		}
	}()
}

// install plays ovn-controller, which writes into rows that are not its own.
func (r *rig) install(as *vswitch.Client) {
	for owner, has := range as.All("Pod/") {
		for i, port := range has.Ports {
			if port.ExternalIDs["ovn-installed"] == "true" {
				continue
			}
			has.Ports[i].ExternalIDs = map[string]string{"ovn-installed": "true"}
			_, _ = as.Apply(context.Background(), owner, has)
		}
	}
}

func (r *rig) call(pod *netnstest.Namespace, container string) cniwire.Request {
	return cniwire.Request{
		ContainerID: container, NetNS: pod.Path(), IfName: "eth0",
		Pod: cniwire.Pod{Namespace: "default", Name: "web", UID: "uid-1"}, Provider: "ovn",
	}
}

// nothingLeft checks that a pod left no trace.
func (r *rig) nothingLeft() {
	r.t.Helper()
	if all := r.vs.All("Pod/"); len(all) != 0 {
		r.t.Errorf("left in OVSDB: %+v", all)
	}
	if links, err := r.links.PodLinks(r.t.Context()); len(links) != 0 || err != nil {
		r.t.Errorf("left in the kernel: %+v (%v)", links, err)
	}
}

// allocated is a pod as the controller leaves it.
func allocated(name, uid string) *corev1.Pod {
	pod := pending(name, uid)
	pod.Annotations = map[string]string{
		kubeovnv1.AnnotationAllocated: "true", kubeovnv1.AnnotationRouted: "true",
		kubeovnv1.AnnotationIPAddress: "10.16.0.5,fd00:10:16::5", kubeovnv1.AnnotationMACAddress: "0a:00:00:00:00:05",
		kubeovnv1.AnnotationCIDR: "10.16.0.0/16,fd00:10:16::/112", kubeovnv1.AnnotationGateway: "10.16.0.1,fd00:10:16::1",
		kubeovnv1.AnnotationLogicalSwitch: "ovn-default",
	}
	return pod
}

// pending is one without an address.
func pending(name, uid string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(uid)}}
}

// answer is what ADD gives for the pod that allocated makes.
func answer(container string) *cniwire.Result {
	v4, v6 := netip.MustParseAddr("10.16.0.1"), netip.MustParseAddr("fd00:10:16::1")
	return &cniwire.Result{
		HostLink: container[:min(len(container), 12)] + "_h", MAC: "0a:00:00:00:00:05", MTU: 1400,
		IPs: []cniwire.IP{
			{Address: netip.MustParsePrefix("10.16.0.5/16"), Gateway: v4},
			{Address: netip.MustParsePrefix("fd00:10:16::5/112"), Gateway: v6},
		},
		Routes: []cniwire.Route{{To: netip.MustParsePrefix("0.0.0.0/0"), Via: v4}, {To: netip.MustParsePrefix("::/0"), Via: v6}},
	}
}

// podBook is the cache of this node's pods.
type podBook struct {
	*controllertest.FakeInformer
	mu     sync.Mutex
	pods   map[client.ObjectKey]*corev1.Pod
	broken error
}

func newPodBook() *podBook {
	return &podBook{FakeInformer: controllertest.NewFakeInformer(controllertest.Synced), pods: map[client.ObjectKey]*corev1.Pod{}}
}

func (b *podBook) put(pod *corev1.Pod) {
	b.mu.Lock()
	b.pods[client.ObjectKeyFromObject(pod)] = pod
	b.mu.Unlock()
	b.Update(pod, pod)
}

func (b *podBook) drop(pod *corev1.Pod) {
	b.mu.Lock()
	delete(b.pods, client.ObjectKeyFromObject(pod))
	b.mu.Unlock()
	b.Delete(pod)
}

// fail makes all reading fail, until it is told nil.
func (b *podBook) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.broken = err
}

func (b *podBook) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	pod, found := b.pods[key]
	switch {
	case b.broken != nil:
		return b.broken
	case !found:
		return apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, key.Name)
	}
	pod.DeepCopyInto(into.(*corev1.Pod))
	return nil
}

func (b *podBook) List(_ context.Context, into client.ObjectList, _ ...client.ListOption) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, pod := range b.pods {
		into.(*corev1.PodList).Items = append(into.(*corev1.PodList).Items, *pod)
	}
	return b.broken
}

func (b *podBook) GetInformer(context.Context, client.Object, ...cache.InformerGetOption) (cache.Informer, error) {
	return b.FakeInformer, nil
}

func (b *podBook) WaitForCacheSync(context.Context) bool { return true }

// errKilled stands for a kill -9 at that place: the code behind it does not run.
var errKilled = errors.New("killed here")

// killer kills the agent at the n-th point where it touches the node: before and
// after each call of an edge.
type killer struct {
	Switch
	Links
	left int
	at   string // where it struck
}

func (k *killer) strike(where string) error {
	k.left--
	if k.left != 0 {
		return nil
	}
	k.at = where
	return errKilled
}

func (k *killer) around(what string, call func() error) error {
	if err := k.strike("before " + what); err != nil {
		return err
	}
	if err := call(); err != nil {
		return err
	}
	return k.strike("after " + what)
}

func (k *killer) Apply(ctx context.Context, owner string, want host.Switching) (changed int, err error) {
	return changed, k.around("the OVSDB commit", func() (err error) {
		changed, err = k.Switch.Apply(ctx, owner, want)
		return err
	})
}

func (k *killer) Installed(ctx context.Context, port string) error {
	return k.around("waiting for OVN", func() error { return k.Switch.Installed(ctx, port) })
}

func (k *killer) Connect(ctx context.Context, link host.PodLink) error {
	return k.around("making the cable", func() error { return k.Links.Connect(ctx, link) })
}

func (k *killer) Configure(ctx context.Context, link host.PodLink) error {
	return k.around("configuring", func() error { return k.Links.Configure(ctx, link) })
}

func (k *killer) Disconnect(ctx context.Context, link string) error {
	return k.around("removing the cable", func() error { return k.Links.Disconnect(ctx, link) })
}

// killed is a server that dies at the n-th point.
func (r *rig) killed(n int) (*Server, *killer) {
	cfg := r.config()
	k := &killer{Switch: cfg.Switch, Links: cfg.Links, left: n}
	cfg.Switch, cfg.Links = k, k
	return r.serverOf(cfg), k
}

func mustContain(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if err == nil || !strings.Contains(fmt.Sprint(err), part) {
			t.Errorf("error %v does not say %q", err, part)
		}
	}
}
