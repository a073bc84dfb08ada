package controller

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
)

// CacheOptions says what of each object is kept in memory: a pod costs about
// half a kilobyte. Objects from the cache must never be written back as a whole.
func CacheOptions() cache.Options {
	return cache.Options{
		DefaultTransform: slim(func(client.Object) {}),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}: {
				Field:     fields.OneTermEqualSelector("spec.hostNetwork", "false"),
				Transform: slim(func(obj client.Object) { slimPod(obj.(*corev1.Pod)) }),
			},
			&corev1.Node{}:        {Transform: slim(func(obj client.Object) { slimNode(obj.(*corev1.Node)) })},
			&appsv1.StatefulSet{}: {Transform: slim(func(obj client.Object) { slimStatefulSet(obj.(*appsv1.StatefulSet)) })},
		},
	}
}

// Warm makes the caches fill from the start, also in a replica that does not
// lead: a new leader has to wait for nothing but the database.
func Warm(ctx context.Context, informers cache.Informers) error {
	for _, kind := range []client.Object{
		&corev1.Namespace{}, &corev1.Node{}, &corev1.Pod{}, &appsv1.StatefulSet{}, &kubeovnv1.Vpc{}, &kubeovnv1.Subnet{},
		&kubeovnv1.ProviderNetwork{}, &kubeovnv1.ProviderNetworkNode{}, &kubeovnv1.Vlan{},
	} {
		if _, err := informers.GetInformer(ctx, kind, cache.BlockUntilSynced(false)); err != nil {
			return fmt.Errorf("watching %T: %w", kind, err)
		}
	}
	return nil
}

// slim drops managedFields from every object, and more from some.
func slim(more func(client.Object)) toolscache.TransformFunc {
	return func(in any) (any, error) {
		obj, ok := in.(client.Object)
		if !ok {
			return in, nil // a tombstone
		}
		obj.SetManagedFields(nil)
		more(obj)
		return obj, nil
	}
}

func slimPod(pod *corev1.Pod) {
	pod.Spec = corev1.PodSpec{NodeName: pod.Spec.NodeName, HostNetwork: pod.Spec.HostNetwork}
	status := corev1.PodStatus{Phase: pod.Status.Phase}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled {
			status.Conditions = []corev1.PodCondition{{Type: c.Type, LastTransitionTime: c.LastTransitionTime}}
		}
	}
	pod.Status = status
	slimMeta(&pod.ObjectMeta)
}

func slimNode(node *corev1.Node) {
	node.Spec = corev1.NodeSpec{}
	status := corev1.NodeStatus{Addresses: node.Status.Addresses}
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			status.Conditions = []corev1.NodeCondition{{Type: c.Type, Status: c.Status, LastTransitionTime: c.LastTransitionTime}}
		}
	}
	node.Status = status
	node.Annotations = contractOnly(node.Annotations) // provider networks select by the labels
}

func slimStatefulSet(set *appsv1.StatefulSet) {
	set.Spec = appsv1.StatefulSetSpec{Replicas: set.Spec.Replicas, Ordinals: set.Spec.Ordinals}
	set.Status = appsv1.StatefulSetStatus{}
	set.Annotations, set.Labels = nil, nil
}

func slimMeta(meta *metav1.ObjectMeta) {
	meta.Annotations = contractOnly(meta.Annotations)
	meta.Labels = nil
}
