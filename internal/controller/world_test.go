package controller

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"go.uber.org/zap/zapcore"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/yaml"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/controller/claim"
	"hawser/internal/controller/finalizer"
	"hawser/internal/ipam"
	"hawser/internal/logical"
	"hawser/internal/northbound"
	"hawser/internal/plan/overlay"
	"hawser/test/apitest"
	"hawser/test/ovntest"
)

// These tests run the real reconcilers against a real API server, shared by all
// of them, and a real northbound database of their own.

var shared_ struct {
	once   sync.Once
	server *apitest.Server
	dir    string
	err    error
}

// testLogger is silent unless HAWSER_TEST_LOG is set.
func testLogger() logr.Logger {
	if os.Getenv("HAWSER_TEST_LOG") == "" {
		return logr.Discard()
	}
	return zap.New(zap.UseDevMode(true), zap.StacktraceLevel(zapcore.PanicLevel))
}

func TestMain(m *testing.M) {
	ctrl.SetLogger(testLogger())
	code := m.Run()
	if shared_.server != nil {
		shared_.server.Stop()
	}
	if shared_.dir != "" {
		os.RemoveAll(shared_.dir)
	}
	os.Exit(code)
}

// apiServer returns the shared API server, with our kinds installed.
func apiServer(t testing.TB) *rest.Config {
	t.Helper()
	shared_.once.Do(func() {
		programs := apitest.Find(t)
		if shared_.dir, shared_.err = os.MkdirTemp("", "hawser-controller"); shared_.err != nil {
			return
		}
		if shared_.server, shared_.err = apitest.Start(context.Background(), programs, shared_.dir); shared_.err == nil {
			shared_.err = installKinds(shared_.server.Config)
		}
	})
	if shared_.err != nil {
		t.Fatal(shared_.err)
	}
	cfg := rest.CopyConfig(shared_.server.Config)
	cfg.QPS = -1
	return cfg
}

func installKinds(cfg *rest.Config) error {
	scheme := runtime.NewScheme()
	if err := apiextensionsv1.AddToScheme(scheme); err != nil {
		return err
	}
	api, err := client.New(cfg, client.Options{Scheme: scheme})
	if err != nil {
		return err
	}
	files, err := filepath.Glob("../../charts/kube-ovn/templates/crds/*.yaml")
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.Unmarshal(text, &crd); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := api.Create(context.Background(), &crd); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	for _, name := range []string{"vpcs.kubeovn.io", "subnets.kubeovn.io", "ips.kubeovn.io"} {
		if err := established(api, name); err != nil {
			return err
		}
	}
	return nil
}

func established(api client.Client, name string) error {
	var crd apiextensionsv1.CustomResourceDefinition
	for range 200 {
		if err := api.Get(context.Background(), client.ObjectKey{Name: name}, &crd); err != nil {
			return err
		}
		for _, c := range crd.Status.Conditions {
			if c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue {
				return nil
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	return errors.New(name + " is not served")
}

func testScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	_ = clientgoscheme.AddToScheme(scheme)
	_ = kubeovnv1.AddToScheme(scheme)
	return scheme
}

// world is a cluster without nodes' software: an API server and a database.
type world struct {
	t   testing.TB
	cfg *rest.Config
	api client.WithWatch
	nb  *ovntest.Database
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, cfg: apiServer(t), nb: ovntest.Northbound(t)}
	var err error
	if w.api, err = client.NewWithWatch(w.cfg, client.Options{Scheme: testScheme()}); err != nil {
		t.Fatal(err)
	}
	w.wipe()
	t.Cleanup(w.wipe)
	return w
}

// wipe leaves the API server as it was.
func (w *world) wipe() {
	w.t.Helper()
	ctx := context.Background()
	now := client.GracePeriodSeconds(0)
	var pods corev1.PodList
	var sets appsv1.StatefulSetList
	var nodes corev1.NodeList
	var ips kubeovnv1.IPList
	var subnets kubeovnv1.SubnetList
	var vpcs kubeovnv1.VpcList
	for _, list := range []client.ObjectList{&pods, &sets, &nodes, &ips, &subnets, &vpcs} {
		w.check(w.api.List(ctx, list))
	}
	for i := range sets.Items {
		w.check(client.IgnoreNotFound(w.api.Delete(ctx, &sets.Items[i], now)))
	}
	for i := range pods.Items {
		w.check(client.IgnoreNotFound(w.api.Delete(ctx, &pods.Items[i], now)))
	}
	for i := range nodes.Items {
		w.check(client.IgnoreNotFound(w.api.Delete(ctx, &nodes.Items[i], now)))
	}
	for i := range ips.Items {
		w.check(client.IgnoreNotFound(w.api.Delete(ctx, &ips.Items[i], now)))
	}
	w.check(finalizer.DropAll(ctx, w.api, &kubeovnv1.SubnetList{}, &kubeovnv1.VpcList{}))
	for i := range subnets.Items {
		w.check(client.IgnoreNotFound(w.api.Delete(ctx, &subnets.Items[i], now)))
	}
	for i := range vpcs.Items {
		w.check(client.IgnoreNotFound(w.api.Delete(ctx, &vpcs.Items[i], now)))
	}
	w.check(finalizer.DropAll(ctx, w.api, &kubeovnv1.SubnetList{}, &kubeovnv1.VpcList{}))
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// controllerUnderTest is one running controller.
type controllerUnderTest struct {
	w      *world
	fabric *Fabric
	writes *counter
	stop   func()
}

// counter counts writes to the API by what they are, "create IP".
type counter struct {
	mu    sync.Mutex
	count map[string]int
	// before is asked before each write; an error fails the write, and a wait
	// holds it up.
	before func(what string, obj client.Object) error
	after  func(what string, obj client.Object)
	lose   func() error // the answer to a write that was made
}

// done passes the result of a write on, unless the answer is to be lost.
func (c *counter) done(what string, obj client.Object, err error) error {
	c.mu.Lock()
	after, lose := c.after, c.lose
	c.mu.Unlock()
	if after != nil {
		after(what+" "+kindName(obj), obj)
	}
	if err == nil && lose != nil {
		return lose()
	}
	return err
}

func (c *counter) note(what string, obj runtime.Object) error {
	what += " " + kindName(obj)
	c.mu.Lock()
	c.count[what]++
	before := c.before
	c.mu.Unlock()
	if object, ok := obj.(client.Object); ok && before != nil {
		return before(what, object)
	}
	return nil
}

func (c *counter) of(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count[what]
}

func (c *counter) all() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprint(c.count)
}

func (c *counter) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count = map[string]int{}
}

func kindName(obj runtime.Object) string {
	if kind := obj.GetObjectKind().GroupVersionKind().Kind; kind != "" {
		return kind
	}
	return strings.TrimPrefix(strings.TrimPrefix(fmt.Sprintf("%T", obj), "*v1."), "*unstructured.")
}

func (c *counter) wrap(api client.WithWatch) client.WithWatch {
	return interceptor.NewClient(api, interceptor.Funcs{
		Create: func(ctx context.Context, next client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			if err := c.note("create", obj); err != nil {
				return err
			}
			return c.done("create", obj, next.Create(ctx, obj, opts...))
		},
		Delete: func(ctx context.Context, next client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
			if err := c.note("delete", obj); err != nil {
				return err
			}
			return c.done("delete", obj, next.Delete(ctx, obj, opts...))
		},
		Patch: func(ctx context.Context, next client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			if err := c.note("patch", obj); err != nil {
				return err
			}
			return c.done("patch", obj, next.Patch(ctx, obj, patch, opts...))
		},
		SubResourcePatch: func(ctx context.Context, next client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
			if err := c.note("patch "+sub, obj); err != nil {
				return err
			}
			return c.done("patch "+sub, obj, next.SubResource(sub).Patch(ctx, obj, patch, opts...))
		},
	})
}

// edge is the real database behind the interface, as cmd wires it.
type edge struct {
	*northbound.Client
	mu     sync.Mutex
	before func(owner logical.Owner, want logical.State) error
	after  func(owner logical.Owner, want logical.State)
	writes int
}

func (e *edge) Apply(ctx context.Context, owner logical.Owner, want logical.State) (int, error) {
	e.mu.Lock()
	before := e.before
	e.mu.Unlock()
	if before != nil {
		if err := before(owner, want); err != nil {
			return 0, err
		}
	}
	changed, err := e.Client.Apply(ctx, owner, want)
	e.mu.Lock()
	e.writes += changed
	after := e.after
	e.mu.Unlock()
	if after != nil {
		after(owner, want)
	}
	var refused *northbound.ConstraintError
	switch {
	case errors.Is(err, northbound.ErrParentMissing):
		return changed, ErrParentMissing
	case errors.As(err, &refused):
		return changed, &RefusedError{Owner: refused.Owner, Reason: refused.Reason}
	}
	return changed, err
}

func (e *edge) written() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.writes
}

var testCluster = overlay.Cluster{Vpc: "ovn-cluster", DefaultSubnet: "ovn-default", JoinSubnet: "join"}

var testDefaults = Defaults{
	Cluster: testCluster, CIDR: "10.16.0.0/16,fd00:10:16::/112", JoinCIDR: "100.64.0.0/16,fd00:100:64::/112", GatewayCheck: true,
}

// start runs a controller as leader until the test ends or stop is called.
func (w *world) start(change ...func(*controllerUnderTest)) *controllerUnderTest {
	w.t.Helper()
	c := &controllerUnderTest{w: w, fabric: NewFabric(), writes: &counter{count: map[string]int{}}}
	mgr, err := ctrl.NewManager(w.cfg, manager.Options{
		Scheme: testScheme(), Cache: CacheOptions(), HealthProbeBindAddress: "0",
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: ptrTo(true)},
	})
	w.check(err)
	api := c.writes.wrap(w.api)
	c.fabric.Cluster, c.fabric.Cache, c.fabric.API = testCluster, mgr.GetCache(), api
	c.fabric.Events = mgr.GetEventRecorder("test")
	c.fabric.Claims = &claim.Claims{API: api, Book: claim.NewBook(c.fabric.InUse), Registry: ipam.New(rand.Uint64)}
	ctx, cancel := context.WithCancel(context.Background())
	connected := make(chan struct{})
	var connection *northbound.Client
	leader := &Leader{Manager: mgr, Fabric: c.fabric, Defaults: testDefaults, Connect: func(ctx context.Context) (Network, error) {
		var err error
		connection, err = northbound.Dial(ctx, northbound.Config{Endpoints: []string{w.nb.Endpoint}, Logger: ctrl.Log.WithName("northbound")})
		if err != nil {
			return nil, err
		}
		close(connected)
		e := &edge{Client: connection}
		c.fabric.Network = e
		for _, f := range change {
			f(c)
		}
		return e, nil
	}}
	w.check(AddIndexes(ctx, mgr.GetFieldIndexer()))
	w.check(Warm(ctx, mgr.GetCache()))
	w.check(mgr.Add(&claim.Keeper{API: w.api, Book: c.fabric.Claims.Book}))
	w.check(mgr.Add(leader))
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	c.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("controller ended: %v", err)
		}
		if connection != nil {
			connection.Close()
		}
	})
	w.t.Cleanup(c.stop)
	select {
	case <-connected:
	case err := <-done:
		w.t.Fatalf("controller did not start: %v", err)
	case <-time.After(30 * time.Second):
		w.t.Fatal("controller did not start in 30 s")
	}
	return c
}

func (c *controllerUnderTest) edge() *edge { return c.fabric.Network.(*edge) }

func ptrTo[T any](value T) *T { return &value }

// eventually waits until a condition holds and fails with what it said last.
func (w *world) eventually(what string, holds func() error) {
	w.t.Helper()
	var err error
	for deadline := time.Now().Add(40 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if err = holds(); err == nil {
			return
		}
	}
	w.t.Fatalf("%s: %v", what, err)
}

// quiet waits until a controller has done nothing for a while.
func (c *controllerUnderTest) quiet() {
	c.w.t.Helper()
	last := ""
	for calm := 0; calm < 15; time.Sleep(100 * time.Millisecond) {
		now := c.writes.all() + fmt.Sprint(c.edge().written())
		if calm++; now != last {
			calm, last = 0, now
		}
	}
}

func (w *world) node(name, ip string) *corev1.Node {
	w.t.Helper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	w.check(w.api.Create(context.Background(), node))
	// A patch, because a controller may be as fast in annotating the node.
	made := node.DeepCopy()
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: ip}}
	w.check(w.api.Status().Patch(context.Background(), node, client.MergeFrom(made)))
	return node
}

func (w *world) namespace(name string) {
	w.t.Helper()
	err := w.api.Create(context.Background(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	w.check(client.IgnoreAlreadyExists(err))
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: "default"}}
	w.check(client.IgnoreAlreadyExists(w.api.Create(context.Background(), account)))
}

// pod makes a pod that is on a node already, as if the scheduler had been there.
func (w *world) pod(namespace, name, node string, annotations ...string) *corev1.Pod {
	w.t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Annotations: map[string]string{}},
		Spec: corev1.PodSpec{
			NodeName: node, AutomountServiceAccountToken: ptrTo(false),
			TerminationGracePeriodSeconds: ptrTo(int64(0)),
			Containers:                    []corev1.Container{{Name: "c", Image: "pause"}},
		},
	}
	for i := 0; i+1 < len(annotations); i += 2 {
		pod.Annotations[annotationPrefix+annotations[i]] = annotations[i+1]
	}
	w.check(w.api.Create(context.Background(), pod))
	return pod
}

func (w *world) remove(obj client.Object) {
	w.t.Helper()
	w.check(client.IgnoreNotFound(w.api.Delete(context.Background(), obj, client.GracePeriodSeconds(0))))
}

// allocated waits for a pod's annotations and returns them.
func (w *world) allocated(pod *corev1.Pod) map[string]string {
	w.t.Helper()
	var found corev1.Pod
	w.eventually("pod "+pod.Name+" has no address", func() error {
		if err := w.api.Get(context.Background(), client.ObjectKeyFromObject(pod), &found); err != nil {
			return err
		}
		if found.Annotations[kubeovnv1.AnnotationRouted] != "true" {
			return fmt.Errorf("annotations %v", found.Annotations)
		}
		return nil
	})
	return found.Annotations
}

// ports lists the ports in the database that have addresses, "name: addresses".
func (w *world) ports() string {
	w.t.Helper()
	return w.nb.Dump("Logical_Switch_Port", "name", "addresses")
}

func (w *world) gone(what string, list func() string) {
	w.t.Helper()
	w.eventually(what+" is still there", func() error {
		if text := list(); strings.Contains(text, what) {
			return errors.New(text)
		}
		return nil
	})
}

func (w *world) ips() map[string]*kubeovnv1.IP {
	w.t.Helper()
	var list kubeovnv1.IPList
	w.check(w.api.List(context.Background(), &list))
	found := map[string]*kubeovnv1.IP{}
	for i := range list.Items {
		found[list.Items[i].Name] = &list.Items[i]
	}
	return found
}
