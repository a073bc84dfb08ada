package controller

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	kubeovnv1 "hawser/api/v1"
)

// TestOwnPatchIsNoNews: the update that our patch makes wakes nobody, once. One
// that brings anything else does, and so does the same update without a patch.
func TestOwnPatchIsNoNews(t *testing.T) {
	address := "10.16.0.5"
	before := &corev1.Pod{}
	before.Namespace, before.Name = "ns", "p"
	before.Annotations = map[string]string{kubeovnv1.AnnotationGateway: "10.0.0.1"}
	values := map[string]*string{kubeovnv1.AnnotationIPAddress: &address, kubeovnv1.AnnotationGateway: nil}
	for name, c := range map[string]struct {
		change  func(*corev1.Pod)
		matters bool
	}{
		"the patch and no more": {func(*corev1.Pod) {}, false},
		"its address, too":      {func(p *corev1.Pod) { p.Status.PodIP = address }, false},
		"another value":         {func(p *corev1.Pod) { p.Annotations[kubeovnv1.AnnotationIPAddress] = "10.16.0.6" }, true},
		"a further annotation":  {func(p *corev1.Pod) { p.Annotations[kubeovnv1.AnnotationIPPool] = address }, true},
		"half of it":            {func(p *corev1.Pod) { p.Annotations[kubeovnv1.AnnotationGateway] = "10.0.0.1" }, true},
		"another node":          {func(p *corev1.Pod) { p.Spec.NodeName = "n2" }, true},
		"another pod":           {func(p *corev1.Pod) { p.UID = "2" }, true},
		"the end of the pod":    {func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }, true},
		"nothing of interest":   {func(p *corev1.Pod) { *p = *before; p.Status.PodIP = address }, false},
	} {
		t.Run(name, func(t *testing.T) {
			pods := &Pods{}
			pods.patched.Store(client.ObjectKeyFromObject(before), patch{values: values})
			now := before.DeepCopy()
			now.Annotations = map[string]string{kubeovnv1.AnnotationIPAddress: address}
			c.change(now)
			update := event.UpdateEvent{ObjectOld: before, ObjectNew: now}
			if got := pods.matters(update); got != c.matters {
				t.Errorf("matters: %v", got)
			}
			if name == "the patch and no more" && !pods.matters(update) {
				t.Error("the same update once more does not matter")
			}
		})
	}
}
