package provider

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/yaml"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/controller/finalizer"
	"hawser/internal/plan/overlay"
	"hawser/test/apitest"
)

// These tests run the real reconcilers against a real API server. The nodes'
// agents are played by the tests.

var server *apitest.Server

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	code := m.Run()
	if server != nil {
		server.Stop()
	}
	os.Exit(code)
}

type world struct {
	*testing.T
	api    client.Client
	events *notes
}

// notes keeps the events of a test.
type notes struct {
	mu   sync.Mutex
	list []string
}

func (n *notes) Eventf(regarding, _ runtime.Object, _, reason, _, note string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, regarding.(client.Object).GetName()+" "+reason+" "+fmt.Sprintf(note, args...))
}

func (n *notes) all() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.list, "\n")
}

func newWorld(t *testing.T) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	w := &world{T: t, events: &notes{}}
	w.check(errors.Join(clientgoscheme.AddToScheme(scheme), kubeovnv1.AddToScheme(scheme), apiextensionsv1.AddToScheme(scheme)))
	if server == nil {
		dir, err := os.MkdirTemp("", "hawser-provider")
		w.check(err)
		server, err = apitest.Start(context.Background(), apitest.Find(t), dir)
		w.check(err)
	}
	var err error
	w.api, err = client.New(server.Config, client.Options{Scheme: scheme})
	w.check(err)
	w.installKinds()
	w.wipe()
	t.Cleanup(w.wipe)
	mgr, err := ctrl.NewManager(server.Config, manager.Options{
		Scheme: scheme, HealthProbeBindAddress: "0", Metrics: metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: ptrTo(true)},
	})
	w.check(err)
	desk := Desk{Cache: mgr.GetCache(), API: mgr.GetClient(), Events: w.events, Cluster: overlay.Cluster{Vpc: kubeovnv1.DefaultVpc, DefaultProvider: "net1"}}
	w.check(desk.AddControllers(mgr))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return w
}

func ptrTo[T any](value T) *T { return &value }

func (w *world) check(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) installKinds() {
	w.Helper()
	files, err := filepath.Glob("../../../charts/kube-ovn/templates/crds/*.yaml")
	w.check(err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		w.check(err)
		var crd apiextensionsv1.CustomResourceDefinition
		w.check(yaml.Unmarshal(text, &crd))
		w.check(client.IgnoreAlreadyExists(w.api.Create(w.Context(), &crd)))
		w.eventually(crd.Name+" is not served", func() error {
			w.check(w.api.Get(w.Context(), client.ObjectKeyFromObject(&crd), &crd))
			for _, c := range crd.Status.Conditions {
				if c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue {
					return nil
				}
			}
			return errors.New("not yet")
		})
	}
}

// wipe leaves the API server as it was.
func (w *world) wipe() {
	ctx := context.Background()
	kinds := []client.ObjectList{&kubeovnv1.ProviderNetworkNodeList{}, &kubeovnv1.VlanList{}, &kubeovnv1.ProviderNetworkList{}}
	for _, obj := range []client.Object{
		&kubeovnv1.Subnet{}, &kubeovnv1.Vlan{}, &kubeovnv1.ProviderNetwork{}, &kubeovnv1.ProviderNetworkNode{}, &corev1.Node{},
	} {
		w.check(w.api.DeleteAllOf(ctx, obj))
	}
	w.check(finalizer.DropAll(ctx, w.api, kinds...))
}

// eventually waits until a condition holds and fails with what it said last.
func (w *world) eventually(what string, holds func() error) {
	w.Helper()
	var err error
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err = holds(); err == nil {
			return
		}
	}
	w.Fatalf("%s: %v", what, err)
}

func (w *world) node(name string) {
	w.Helper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	w.check(w.api.Create(w.Context(), node))
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	w.check(w.api.Status().Update(w.Context(), node))
}

func (w *world) create(obj client.Object) {
	w.Helper()
	w.check(w.api.Create(w.Context(), obj))
}

func network(name, nic string) *kubeovnv1.ProviderNetwork {
	return &kubeovnv1.ProviderNetwork{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: kubeovnv1.ProviderNetworkSpec{DefaultInterface: nic}}
}

func vlan(name, provider string, id int) *kubeovnv1.Vlan {
	return &kubeovnv1.Vlan{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: kubeovnv1.VlanSpec{ID: id, Provider: provider}}
}

// get waits until an object is as wanted; wanted says what it lacks.
func get[O client.Object](w *world, name string, obj O, wanted func(O) bool) O {
	w.Helper()
	w.eventually(fmt.Sprintf("%T %s", obj, name), func() error {
		if err := w.api.Get(w.Context(), client.ObjectKey{Name: name}, obj); err != nil {
			return err
		}
		if !wanted(obj) {
			text, _ := yaml.Marshal(obj)
			return errors.New(string(text))
		}
		return nil
	})
	return obj
}

func (w *world) part(name string, wanted func(*kubeovnv1.ProviderNetworkNode) bool) *kubeovnv1.ProviderNetworkNode {
	w.Helper()
	return get(w, name, &kubeovnv1.ProviderNetworkNode{}, wanted)
}

// says plays a node's agent.
func (w *world) says(name string, change func(*kubeovnv1.ProviderNetworkNodeStatus)) {
	w.Helper()
	w.eventually(name+" cannot say anything", func() error {
		var part kubeovnv1.ProviderNetworkNode
		if err := w.api.Get(w.Context(), client.ObjectKey{Name: name}, &part); err != nil {
			return err
		}
		part.Status.ObservedGeneration = part.Generation
		change(&part.Status)
		return w.api.Status().Update(w.Context(), &part)
	})
}

func (w *world) gone(obj client.Object) {
	w.Helper()
	w.eventually(fmt.Sprintf("%T %s is still there", obj, obj.GetName()), func() error {
		err := w.api.Get(w.Context(), client.ObjectKeyFromObject(obj), obj)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("%v %v", obj.GetFinalizers(), err)
	})
}

func (w *world) told(text string) {
	w.Helper()
	w.eventually("no event "+text, func() error {
		if all := w.events.all(); !strings.Contains(all, text) {
			return errors.New(all)
		}
		return nil
	})
}

func exists(*kubeovnv1.ProviderNetworkNode) bool { return true }

func waits(status *kubeovnv1.ProviderNetworkNodeStatus) {
	status.Phase, status.PlanHash, status.Attachment = kubeovnv1.PhaseWaiting, "h1", kubeovnv1.AttachmentShared
}

func joins(status *kubeovnv1.ProviderNetworkNodeStatus) {
	status.Phase = kubeovnv1.PhaseReady
	status.Interfaces = []kubeovnv1.UplinkStatus{{Name: "eth1", MTU: 9000, Attachment: kubeovnv1.AttachmentShared}}
}

func releases(status *kubeovnv1.ProviderNetworkNodeStatus) { status.Phase = kubeovnv1.PhaseReleased }

func approved(part *kubeovnv1.ProviderNetworkNode) bool { return part.Spec.ApprovedPlan == "h1" }

// TestLifeOfAProviderNetwork: made, joined node by node, used, kept while it is
// used, and let go node by node.
func TestLifeOfAProviderNetwork(t *testing.T) {
	w := newWorld(t)
	w.node("n1")
	w.node("n2")
	pn := network("net1", "eth1")
	w.create(pn)
	made := w.part("net1.n1", func(p *kubeovnv1.ProviderNetworkNode) bool { return finalizer.On(p) })
	if owner := metav1.GetControllerOf(made); owner == nil || owner.UID != pn.UID || made.Labels[kubeovnv1.LabelHostname] != "n1" {
		t.Errorf("%+v", made.ObjectMeta)
	}
	w.part("net1.n2", exists)
	w.says("net1.n2", waits)
	w.part("net1.n2", approved) // alone, it has its turn
	w.says("net1.n1", waits)
	w.says("net1.n2", joins)
	w.part("net1.n1", approved)
	w.says("net1.n1", joins)
	get(w, "net1", pn, func(pn *kubeovnv1.ProviderNetwork) bool {
		return pn.Status.Ready && slices.Equal(pn.Status.ReadyNodes, []string{"n1", "n2"}) && pn.Status.Nodes.Total == 2 && finalizer.On(pn)
	})
	get(w, "n1", &corev1.Node{}, func(node *corev1.Node) bool {
		return node.Labels["net1.provider-network.kubernetes.io/ready"] == "true" && node.Labels["net1.provider-network.kubernetes.io/mtu"] == "9000"
	})
	green := vlan("green", "", 100)
	w.create(green)
	get(w, "net1", pn, func(pn *kubeovnv1.ProviderNetwork) bool { return slices.Equal(pn.Status.Vlans, []string{"green"}) })

	w.check(w.api.Delete(w.Context(), pn))
	w.told("net1 InUse net1 in use by vlan green")
	w.part("net1.n1", func(p *kubeovnv1.ProviderNetworkNode) bool { return p.DeletionTimestamp == nil })
	w.check(w.api.Delete(w.Context(), green))
	w.part("net1.n1", func(p *kubeovnv1.ProviderNetworkNode) bool { return p.DeletionTimestamp != nil })
	get(w, "net1", pn, func(pn *kubeovnv1.ProviderNetwork) bool {
		return slices.ContainsFunc(pn.Status.Conditions, func(c kubeovnv1.ProviderNetworkCondition) bool { return c.Reason == "Releasing" })
	})
	w.says("net1.n1", releases)
	w.gone(made)
	w.check(w.api.Delete(w.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n2"}})) // for good, without a word
	w.gone(pn)
	get(w, "n1", &corev1.Node{}, func(node *corev1.Node) bool {
		return node.Labels["net1.provider-network.kubernetes.io/ready"] == ""
	})
}

// TestExcludedNodeLetsGo: a node that is taken out, and put back before it has
// let go, joins anew afterwards.
func TestExcludedNodeLetsGo(t *testing.T) {
	w := newWorld(t)
	w.node("n1")
	pn := network("net1", "eth1")
	w.create(pn)
	old := w.part("net1.n1", exists)
	w.says("net1.n1", waits)
	w.part("net1.n1", approved)
	w.says("net1.n1", joins)
	w.change(pn, func() { pn.Spec.ExcludeNodes = []string{"n1"} })
	w.part("net1.n1", func(p *kubeovnv1.ProviderNetworkNode) bool { return p.DeletionTimestamp != nil })
	w.change(pn, func() { pn.Spec.ExcludeNodes = nil })
	w.says("net1.n1", releases)
	w.part("net1.n1", func(p *kubeovnv1.ProviderNetworkNode) bool { return p.UID != old.UID && p.Spec.ApprovedPlan == "" })
}

// TestAnnotationsOfANode say which NIC it has, and that it stays out.
func TestAnnotationsOfANode(t *testing.T) {
	w := newWorld(t)
	w.node("n1")
	w.create(network("net1", "eth1"))
	w.part("net1.n1", exists)
	annotate := func(word, value string) {
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}}
		patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, kubeovnv1.NodeLabel("net1", word), value)
		w.check(w.api.Patch(w.Context(), node, client.RawPatch(types.MergePatchType, []byte(patch))))
	}
	annotate(kubeovnv1.NodeLabelInterface, "eth2")
	w.part("net1.n1", func(p *kubeovnv1.ProviderNetworkNode) bool { return slices.Equal(p.Spec.Interfaces, []string{"eth2"}) })
	annotate(kubeovnv1.NodeLabelExclude, "true")
	w.gone(&kubeovnv1.ProviderNetworkNode{ObjectMeta: metav1.ObjectMeta{Name: "net1.n1"}})
}

func (w *world) change(pn *kubeovnv1.ProviderNetwork, change func()) {
	w.Helper()
	w.eventually("changing "+pn.Name, func() error {
		if err := w.api.Get(w.Context(), client.ObjectKeyFromObject(pn), pn); err != nil {
			return err
		}
		change()
		return w.api.Update(w.Context(), pn)
	})
}

// TestWhatIsRefusedIsNotDone: everything stays as it was, and the object says why.
func TestWhatIsRefusedIsNotDone(t *testing.T) {
	w := newWorld(t)
	w.node("n1")
	first := network("net1", "eth1,eth2")
	first.Spec.LoopProtection = kubeovnv1.LoopRSTP
	w.create(first)
	w.part("net1.n1", func(p *kubeovnv1.ProviderNetworkNode) bool {
		return p.Spec.LoopProtection == kubeovnv1.LoopRSTP && len(p.Spec.Interfaces) == 2
	})
	pn := network("net2", "eth3,eth4")
	w.create(pn)
	w.part("net2.n1", exists)
	w.change(pn, func() { pn.Spec.DefaultInterface, pn.Spec.LoopProtection = "eth1", kubeovnv1.LoopRefuse })
	w.told("net2 InterfaceInUse eth1 of node n1 is in provider network net1 already")
	get(w, "net2", pn, func(pn *kubeovnv1.ProviderNetwork) bool {
		return slices.ContainsFunc(pn.Status.Conditions, func(c kubeovnv1.ProviderNetworkCondition) bool {
			return c.Type == "Ready" && c.Reason == "InterfaceInUse" && c.ObservedGeneration == pn.Generation
		})
	})
	if part := w.part("net2.n1", exists); part.Spec.LoopProtection != "" || len(part.Spec.Interfaces) != 2 {
		t.Errorf("%+v", part.Spec)
	}
}

// TestNetworkTakenAwayByForce: somebody took the finalizer off. Nothing of it
// stays behind.
func TestNetworkTakenAwayByForce(t *testing.T) {
	w := newWorld(t)
	w.node("n1")
	pn := network("net1", "eth1")
	w.create(pn)
	part := w.part("net1.n1", exists)
	get(w, "n1", &corev1.Node{}, func(node *corev1.Node) bool {
		return node.Labels["net1.provider-network.kubernetes.io/ready"] == "false"
	})
	w.create(vlan("green", "net1", 5))
	w.eventually("the network stays", func() error {
		if err := w.api.Get(w.Context(), client.ObjectKeyFromObject(pn), pn); apierrors.IsNotFound(err) {
			return nil
		}
		_ = w.api.Delete(w.Context(), pn)
		return errors.Join(errors.New("still there"), finalizer.Drop(w.Context(), w.api, pn))
	})
	w.gone(part)
	get(w, "n1", &corev1.Node{}, func(node *corev1.Node) bool { return node.Labels["net1.provider-network.kubernetes.io/ready"] == "" })
	w.told("green UnknownProvider")
}

// TestVlans: the younger of two with one number says so, and one in use stays.
func TestVlans(t *testing.T) {
	w := newWorld(t)
	w.create(network("net1", "eth1"))
	first := vlan("first", "net1", 7)
	w.create(first)
	sound := func(v *kubeovnv1.Vlan) bool {
		return slices.ContainsFunc(v.Status.Conditions, func(c kubeovnv1.Condition) bool { return c.Type == "Ready" && c.Status == "True" })
	}
	get(w, "first", &kubeovnv1.Vlan{}, sound)
	w.create(vlan("second", "net1", 7))
	get(w, "second", &kubeovnv1.Vlan{}, func(v *kubeovnv1.Vlan) bool { return v.Status.Conflict })
	subnet := &kubeovnv1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "office"}, Spec: kubeovnv1.SubnetSpec{CIDRBlock: "10.1.0.0/24", Vlan: "first"}}
	w.create(subnet)
	get(w, "first", &kubeovnv1.Vlan{}, func(v *kubeovnv1.Vlan) bool { return slices.Equal(v.Status.Subnets, []string{"office"}) })
	w.check(w.api.Delete(w.Context(), first))
	w.told("first InUse first in use by subnet office")
	w.check(w.api.Delete(w.Context(), subnet))
	w.gone(first)
	get(w, "second", &kubeovnv1.Vlan{}, func(v *kubeovnv1.Vlan) bool { return !v.Status.Conflict && sound(v) })
}
