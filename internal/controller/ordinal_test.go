package controller

import (
	"context"
	"errors"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/plan"
)

// The first pod of a StatefulSet that counts from five has the first address.
func TestPoolFromTheFirstOrdinal(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.namespace("shop")
	w.node("n1", "172.30.0.11")
	set := w.statefulSet("shop", "db", 2)
	set.Spec.Ordinals = &appsv1.StatefulSetOrdinals{Start: 5}
	set.Spec.Template.Annotations = map[string]string{kubeovnv1.AnnotationIPPool: "10.16.0.50,10.16.0.51"}
	w.check(w.api.Update(context.Background(), set))
	for i, want := range []string{"10.16.0.50", "10.16.0.51"} {
		pod := w.ordinal(set, 5+i, "n1")
		if given := w.allocated(pod)[kubeovnv1.AnnotationIPAddress]; given != want {
			t.Errorf("pod %d has %s, want %s", 5+i, given, want)
		}
	}
}

// Two nodes whose groups would have one name: the younger is told, and gets its
// place when the elder goes.
func TestNodesOfOneGroupName(t *testing.T) {
	w := newWorld(t)
	w.start()
	elder := w.node("rack-1", "172.30.0.11")
	joined := func(node *corev1.Node) func() error {
		return func() error {
			var found corev1.Node
			err := w.api.Get(context.Background(), client.ObjectKeyFromObject(node), &found)
			if err == nil && found.Annotations[kubeovnv1.AnnotationAllocated] != "true" {
				err = errors.New("it has no address on the join subnet")
			}
			return err
		}
	}
	w.eventually("the elder", joined(elder))
	younger := w.node("rack.1", "172.30.0.12")
	if note := w.event(younger, string(plan.NameClash)); !strings.Contains(note, "rack-1") {
		t.Error(note)
	}
	if joined(younger)() == nil {
		t.Error("both are in one group")
	}
	w.remove(elder)
	w.eventually("the younger, alone", joined(younger))
}
