package controller

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/logical"
)

func (w *world) statefulSet(namespace, name string, replicas int32) *appsv1.StatefulSet {
	w.t.Helper()
	labels := map[string]string{"app": name}
	set := &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: appsv1.StatefulSetSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "pause"}}},
			},
		},
	}
	w.check(w.api.Create(context.Background(), set))
	return set
}

// ordinal makes the pod that the StatefulSet's controller would make.
func (w *world) ordinal(set *appsv1.StatefulSet, ordinal int, node string) *corev1.Pod {
	w.t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: set.Namespace, Name: fmt.Sprintf("%s-%d", set.Name, ordinal),
			Labels: set.Spec.Template.Labels, Annotations: set.Spec.Template.Annotations,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("StatefulSet"))},
		},
		Spec: set.Spec.Template.Spec,
	}
	pod.Spec.NodeName, pod.Spec.AutomountServiceAccountToken = node, ptrTo(false)
	w.check(w.api.Create(context.Background(), pod))
	return pod
}

func TestStatefulSetKeepsAddresses(t *testing.T) {
	w := newWorld(t)
	c := w.start()
	w.namespace("shop")
	w.node("n1", "172.30.0.11")
	w.node("n2", "172.30.0.12")
	set := w.statefulSet("shop", "db", 2)
	first, second := w.ordinal(set, 0, "n1"), w.ordinal(set, 1, "n1")
	given := w.allocated(first)
	w.allocated(second)
	w.remove(first)
	w.gone("db-0.shop", w.ports)
	c.quiet()
	c.stop()
	c = w.start()
	again := w.ordinal(set, 0, "n2")
	if now := w.allocated(again); now[kubeovnv1.AnnotationIPAddress] != given[kubeovnv1.AnnotationIPAddress] {
		t.Errorf("had %v, has %v", given, now)
	}
	if ip := w.ips()["db-0.shop"]; ip.Spec.NodeName != "n2" || ip.Spec.PodType != "StatefulSet" {
		t.Errorf("%+v", ip.Spec)
	}
	w.remove(second)
	c.quiet()
	if w.ips()["db-1.shop"] == nil {
		t.Error("the address of ordinal 1 is not kept")
	}
	edit(w, set, func(s *appsv1.StatefulSet) { s.Spec.Replicas = ptrTo(int32(1)) })
	w.eventually("scaled down, the address is kept", func() error { return expectAbsent(w, "db-1.shop") })
	w.remove(again)
	c.quiet()
	if w.ips()["db-0.shop"] == nil {
		t.Error("the address of ordinal 0 is not kept")
	}
	w.remove(set)
	w.eventually("deleted, the address is kept", func() error { return expectAbsent(w, "db-0.shop") })
}

func reservation(name, address string) *kubeovnv1.IP {
	return &kubeovnv1.IP{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       kubeovnv1.IPSpec{Subnet: "ovn-default", V4IPAddress: address, IPAddress: address},
	}
}

func TestReservation(t *testing.T) {
	w := newWorld(t)
	c := w.start()
	w.namespace("shop")
	w.node("n1", "172.30.0.11")
	kept := reservation("kept", "10.16.0.2") // what the next pod would get
	w.check(w.api.Create(context.Background(), kept))
	c.quiet()
	pod := w.pod("shop", "web", "n1")
	if given := w.allocated(pod); strings.HasPrefix(given[kubeovnv1.AnnotationIPAddress], "10.16.0.2,") {
		t.Errorf("the reserved address was given to a pod: %v", given)
	}
	late := reservation("late", "10.16.0.2")
	w.check(w.api.Create(context.Background(), late))
	w.event(late, "AddressConflict")
	w.eventually("it is not marked", func() error {
		if w.ips()["late"].Labels[labelConflict] == "" {
			return fmt.Errorf("%v", w.ips()["late"].Labels)
		}
		return nil
	})
	w.remove(kept)
	w.eventually("it is still marked", func() error {
		if w.ips()["late"].Labels[labelConflict] != "" {
			return fmt.Errorf("%v", w.ips()["late"].Labels)
		}
		return nil
	})
	second := w.pod("shop", "second", "n1", "ip_address", "10.16.0.2")
	w.event(second, "AddressConflict")
	w.remove(late)
	w.allocated(second)
}

// A reservation by a pod's name is what the pod gets, and stays when it goes.
func TestReservationForAPod(t *testing.T) {
	w := newWorld(t)
	c := w.start()
	w.namespace("shop")
	w.node("n1", "172.30.0.11")
	kept := reservation("web.shop", "10.16.0.77")
	kept.Spec.PodName, kept.Spec.Namespace = "web", "shop"
	w.check(w.api.Create(context.Background(), kept))
	c.quiet()
	pod := w.pod("shop", "web", "n1")
	if given := w.allocated(pod); given[kubeovnv1.AnnotationIPAddress] != "10.16.0.77" {
		t.Errorf("annotations %v", given)
	}
	w.remove(pod)
	w.gone("web.shop", w.ports)
	c.quiet()
	if w.ips()["web.shop"] == nil {
		t.Error("the reservation is gone")
	}
	if holder, ok := c.fabric.Claims.Registry.Holder("ovn-default", mustAddr("10.16.0.77")); !ok || holder != "web.shop" {
		t.Errorf("held by %q", holder)
	}
}

func TestNodeJoinsAndLeaves(t *testing.T) {
	w := newWorld(t)
	c := w.start()
	node := w.node("n1", "172.30.0.11")
	var found corev1.Node
	w.eventually("the node is not annotated", func() error {
		w.check(w.api.Get(context.Background(), client.ObjectKey{Name: "n1"}, &found))
		if found.Annotations[kubeovnv1.AnnotationPortName] != "node-n1" || !strings.HasPrefix(found.Annotations[kubeovnv1.AnnotationIPAddress], "100.64.") {
			return fmt.Errorf("%v", found.Annotations)
		}
		return nil
	})
	if policies := w.nb.Dump("Logical_Router_Policy", "match"); !strings.Contains(policies, "172.30.0.11") {
		t.Error(policies)
	}
	w.remove(node)
	w.gone("node-n1", w.ports)
	w.gone("172.30.0.11", func() string { return w.nb.Dump("Logical_Router_Policy", "match") })
	w.eventually("its IP object stays", func() error { return expectAbsent(w, "node-n1") })
	c.quiet()
}

// A node that is deleted by mistake and joins again finds its pods in its group.
func TestNodeJoinsAgain(t *testing.T) {
	w := newWorld(t)
	c := w.start()
	w.namespace("shop")
	node := w.node("n1", "172.30.0.11")
	w.allocated(w.pod("shop", "web", "n1"))
	groups := func() string { return w.nb.Dump("Port_Group", "name", "ports") }
	c.quiet()
	before := groups()
	w.remove(node)
	w.gone("node.n1", groups)
	w.node("n1", "172.30.0.11")
	w.eventually("the pod is not in its node's group", func() error {
		if now := groups(); now != before {
			return errors.New(now)
		}
		return nil
	})
}

// Rows of owners that Kubernetes does not know are taken away at the start.
func TestSweep(t *testing.T) {
	w := newWorld(t)
	c := w.start()
	c.quiet()
	_, err := c.edge().Apply(context.Background(), logical.Owner{Kind: "Pod", Namespace: "was", Name: "there"}, logical.State{
		SwitchPorts: []logical.SwitchPort{{Switch: "ovn-default", Name: "there.was", Addresses: []string{"0a:00:00:00:00:09 10.16.0.9"}}},
	})
	w.check(err)
	c.stop()
	w.start()
	w.gone("there.was", w.ports)
}

// The database loses its disk: everything is written again, and nobody's address
// changes.
func TestDatabaseComesBackEmpty(t *testing.T) {
	w := newWorld(t)
	c := w.start()
	w.namespace("shop")
	w.node("n1", "172.30.0.11")
	pod := w.pod("shop", "web", "n1")
	given := w.allocated(pod)
	before := w.ports()
	c.quiet()
	c.writes.reset()
	w.nb.Kill()
	w.nb.Empty()
	w.nb.Start()
	w.eventually("the ports are not written again", func() error {
		if now := w.ports(); len(now) != len(before) {
			return errors.New(now)
		}
		return nil
	})
	c.quiet()
	if now := w.allocated(pod); now[kubeovnv1.AnnotationIPAddress] != given[kubeovnv1.AnnotationIPAddress] {
		t.Errorf("had %v, has %v", given, now)
	}
	if n := c.writes.total(); n != 0 {
		t.Errorf("writes to the API: %s", c.writes.all())
	}
}

func TestFinishedPodGivesItsAddressBack(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.namespace("shop")
	w.node("n1", "172.30.0.11")
	pod := w.pod("shop", "job", "n1")
	w.allocated(pod)
	edit2(w, pod, func() { pod.Status.Phase = corev1.PodSucceeded })
	w.gone("job.shop", w.ports)
	w.eventually("its IP object stays", func() error { return expectAbsent(w, "job.shop") })
}

func edit2(w *world, pod *corev1.Pod, change func()) {
	w.t.Helper()
	w.check(w.api.Get(context.Background(), client.ObjectKeyFromObject(pod), pod))
	change()
	w.check(w.api.Status().Update(context.Background(), pod))
}
