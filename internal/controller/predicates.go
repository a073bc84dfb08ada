package controller

import (
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/plan/overlay"
)

// What of an object matters to us: an update that changes nothing of it is not
// looked at. The kubelet updates a pod's status several times, and a node's
// every few seconds.
var (
	specChanged = updated(func(old, now client.Object) bool {
		return old.GetGeneration() != now.GetGeneration() || leaving(old) != leaving(now) ||
			!slices.Equal(old.GetFinalizers(), now.GetFinalizers())
	})
	existenceChanged = updated(func(old, now client.Object) bool { return leaving(old) != leaving(now) })
	podChanged       = updated(func(old, now client.Object) bool {
		a, b := old.(*corev1.Pod), now.(*corev1.Pod)
		return a.UID != b.UID || a.Spec.NodeName != b.Spec.NodeName || finished(a) != finished(b) ||
			leaving(a) != leaving(b) || !sameAnnotations(a, b)
	})
	nodeChanged = updated(func(old, now client.Object) bool {
		a, b := old.(*corev1.Node), now.(*corev1.Node)
		return a.UID != b.UID || leaving(a) != leaving(b) || !sameAnnotations(a, b) ||
			!slices.Equal(overlay.InternalIPs(a), overlay.InternalIPs(b))
	})
	namespaceChanged = updated(func(old, now client.Object) bool {
		return !maps.Equal(old.GetLabels(), now.GetLabels()) || !sameAnnotations(old, now)
	})
	statefulSetChanged = updated(func(old, now client.Object) bool {
		a, b := old.(*appsv1.StatefulSet), now.(*appsv1.StatefulSet)
		return a.UID != b.UID || leaving(a) != leaving(b) || !equality.Semantic.DeepEqual(a.Spec, b.Spec)
	})
	bindingChanged = updated(func(old, now client.Object) bool {
		a, b := old.(*kubeovnv1.Subnet), now.(*kubeovnv1.Subnet)
		return leaving(a) != leaving(b) || a.Generation != b.Generation
	})
)

func updated(matters func(old, now client.Object) bool) predicate.Funcs {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool { return matters(e.ObjectOld, e.ObjectNew) }}
}

func leaving(obj client.Object) bool { return obj.GetDeletionTimestamp() != nil }

// sameAnnotations compares those of the contract.
func sameAnnotations(a, b client.Object) bool {
	return maps.Equal(contractOnly(a.GetAnnotations()), contractOnly(b.GetAnnotations()))
}

// annotationPrefix is common to all annotations of the contract.
const annotationPrefix = "ovn.kubernetes.io/"

func contractOnly(all map[string]string) map[string]string {
	ours := make(map[string]string, len(all))
	for key, value := range all {
		if strings.HasPrefix(key, annotationPrefix) || strings.Contains(key, kubeovnv1.NodeLabel("", "")) {
			ours[key] = value
		}
	}
	return ours
}
