package controller

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/controller/claim"
	"hawser/internal/logical"
)

// rival makes, just before a controller creates an IP object, another one with
// the same address, as a second leader would.
func (w *world) rival(c *controllerUnderTest, victim string) {
	var once sync.Once
	c.writes.before = func(what string, obj client.Object) error {
		if what == "create IP" && obj.GetName() == victim {
			once.Do(func() {
				other := obj.(*kubeovnv1.IP).DeepCopy()
				other.Name, other.Spec.PodName = "rival", ""
				other.Annotations = nil
				w.check(w.api.Create(context.Background(), other))
			})
		}
		return nil
	}
}

func TestLoserAllocatesAgain(t *testing.T) {
	for victim, kind := range map[string]string{"web.shop": "Pod", "node-n1": "Node"} {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t)
			c := w.start(func(c *controllerUnderTest) { w.rival(c, victim) })
			w.namespace("shop")
			w.node("n1", "172.30.0.11")
			pod := w.pod("shop", "web", "n1")
			w.allocated(pod)
			w.eventually("the loser has no other address", func() error {
				ips := w.ips()
				if ips["rival"] == nil || ips[victim] == nil || ips[victim].Spec.V4IPAddress == ips["rival"].Spec.V4IPAddress {
					return fmt.Errorf("%+v\n%+v", ips["rival"], ips[victim])
				}
				return nil
			})
			c.quiet()
			if n := c.writes.of("create IP"); n != 3 {
				t.Errorf("writes: %s", c.writes.all())
			}
			if rows := w.portsWith(w.ips()["rival"].Spec.V4IPAddress); len(rows) != 0 {
				t.Errorf("ports of the rival: %s", rows)
			}
		})
	}
}

func TestLoserOfAStaticAddressWaits(t *testing.T) {
	w := newWorld(t)
	w.start(func(c *controllerUnderTest) { w.rival(c, "web.shop") })
	w.namespace("shop")
	w.node("n1", "172.30.0.11")
	pod := w.pod("shop", "web", "n1", "ip_address", "10.16.0.44")
	if note := w.event(pod, "AddressConflict"); !strings.Contains(note, "rival") {
		t.Error(note)
	}
	w.remove(w.ips()["rival"])
	if given := w.allocated(pod); given[kubeovnv1.AnnotationIPAddress] != "10.16.0.44" {
		t.Errorf("annotations %v", given)
	}
}

// Two objects with one address are there at the start. Nobody can tell which is
// the elder; the pod that runs keeps its address.
func TestUnorderedAtTheStart(t *testing.T) {
	w := newWorld(t)
	first := w.start()
	w.namespace("shop")
	w.node("n1", "172.30.0.11")
	running := w.pod("shop", "running", "n1")
	given := w.allocated(running)
	first.quiet()
	first.stop()
	mine := w.ips()["running.shop"]
	other := mine.DeepCopy()
	other.ObjectMeta = metav1.ObjectMeta{Name: "other.shop", Annotations: map[string]string{
		claim.AnnotationHolder: "Pod/shop/other", claim.AnnotationHolderUID: "x",
	}}
	other.Spec.PodName = "other"
	w.check(w.api.Create(context.Background(), other))
	pod := w.pod("shop", "other", "n1")
	w.start()
	if now := w.allocated(pod); now[kubeovnv1.AnnotationIPAddress] == given[kubeovnv1.AnnotationIPAddress] {
		t.Errorf("both have %v", now)
	}
	if now := w.allocated(running); now[kubeovnv1.AnnotationIPAddress] != given[kubeovnv1.AnnotationIPAddress] {
		t.Errorf("the pod that runs had %v, has %v", given, now)
	}
	w.eventually("ports and objects disagree", func() error { return w.consistent("running", "other") })
}

func TestPrivateSubnetFollowsItsNeighbours(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.makeSubnet("closed", "10.20.0.0/16", func(s *kubeovnv1.Subnet) { s.Spec.Private = true })
	w.condition("closed", "Ready=True")
	acls := func() string { return w.nb.Dump("ACL", "match", "action") }
	w.makeSubnet("neighbour", "10.30.0.0/16")
	w.eventually("the neighbour is not kept out", func() error {
		if now := acls(); !strings.Contains(now, "10.30.0.0/16") {
			return errors.New(now)
		}
		return nil
	})
}

func TestVpcGoesWithItsLastSubnet(t *testing.T) {
	w := newWorld(t)
	w.start()
	vpc := &kubeovnv1.Vpc{ObjectMeta: metav1.ObjectMeta{Name: "tenant"}}
	w.check(w.api.Create(context.Background(), vpc))
	subnet := w.makeSubnet("inside", "10.16.0.0/16", func(s *kubeovnv1.Subnet) { s.Spec.Vpc = "tenant" }) // as ovn-default has
	w.condition("inside", "Ready=True")
	w.remove(vpc)
	w.event(vpc, "InUse")
	w.remove(subnet)
	w.eventually("the vpc stays", func() error {
		err := w.api.Get(context.Background(), client.ObjectKey{Name: "tenant"}, vpc)
		if err == nil {
			return fmt.Errorf("%+v", vpc)
		}
		return client.IgnoreNotFound(err)
	})
	w.gone("tenant", func() string { return w.nb.Dump("Logical_Router", "name") })
}

func TestRefusedStateIsReported(t *testing.T) {
	w := newWorld(t)
	c := w.start()
	w.namespace("shop")
	w.node("n1", "172.30.0.11")
	c.quiet()
	// A port of this name is there already and is somebody else's.
	_, err := c.edge().Apply(context.Background(), logical.Owner{Kind: "Strange", Name: "x"}, logical.State{
		SwitchPorts: []logical.SwitchPort{{Switch: "join", Name: "web.shop", Addresses: []string{"unknown"}}},
	})
	w.check(err)
	pod := w.pod("shop", "web", "n1")
	w.event(pod, string(reasonRefused))
}

func TestHealth(t *testing.T) {
	h := &Health{}
	pages := h.Handlers(true)
	answer := func(path string) int {
		recorder := httptest.NewRecorder()
		pages[path].ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
		return recorder.Code
	}
	connected := false
	for i, step := range []struct {
		do   func()
		want int
	}{
		{func() {}, http.StatusServiceUnavailable},
		{func() { h.Synced(func(context.Context) bool { return true }) }, http.StatusOK},
		{func() { h.Connected(func() bool { return connected }) }, http.StatusServiceUnavailable},
		{func() { connected = true }, http.StatusOK},
	} {
		step.do()
		if got := answer("/readyz"); got != step.want {
			t.Errorf("step %d: %d", i, got)
		}
		if got := answer("/livez"); got != http.StatusOK {
			t.Errorf("step %d: not alive", i)
		}
	}
	if _, ok := pages["/debug/pprof/"]; !ok {
		t.Error("no profiles")
	}
}

func TestSlimming(t *testing.T) {
	transform := CacheOptions().ByObject
	for obj, by := range transform {
		if _, ok := obj.(*corev1.Node); ok {
			node := &corev1.Node{}
			node.Annotations = map[string]string{"a": "b", kubeovnv1.AnnotationChassis: "c", "lan.provider-network.kubernetes.io/exclude": "true"}
			if _, err := by.Transform(node); err != nil || len(node.Annotations) != 2 {
				t.Errorf("%+v, %v", node, err)
			}
		}
		if _, ok := obj.(*corev1.Pod); !ok {
			continue
		}
		pod := &corev1.Pod{Spec: corev1.PodSpec{NodeName: "n", Containers: []corev1.Container{{}}}, Status: corev1.PodStatus{
			Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled}, {Type: corev1.PodReady}},
		}}
		pod.Annotations = map[string]string{"a": "b", kubeovnv1.AnnotationIPAddress: "c"}
		pod.ManagedFields = []metav1.ManagedFieldsEntry{{}}
		out, err := by.Transform(pod)
		slim := out.(*corev1.Pod)
		if err != nil || len(slim.Spec.Containers)+len(slim.ManagedFields) != 0 || len(slim.Annotations) != 1 || len(slim.Status.Conditions) != 1 || slim.Spec.NodeName != "n" {
			t.Errorf("%+v, %v", slim, err)
		}
	}
}
