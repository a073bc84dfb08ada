package controller

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/plan"
	"hawser/internal/plan/overlay"
)

// setOfPool is the StatefulSet of a pod that takes its address from a pool, by
// its place in the set; nil for other pods.
func (r *Pods) setOfPool(ctx context.Context, pod *corev1.Pod) (*appsv1.StatefulSet, error) {
	name := overlay.StatefulSetOf(pod)
	if name == "" || pod.Annotations[kubeovnv1.AnnotationIPPool] == "" || pod.Annotations[kubeovnv1.AnnotationIPAddress] != "" {
		return nil, nil
	}
	var set appsv1.StatefulSet
	found, err := r.get(ctx, client.ObjectKey{Namespace: pod.Namespace, Name: name}, &set)
	if err == nil && !found {
		err = fmt.Errorf("StatefulSet %s of pod %s/%s is not there, or not seen yet", name, pod.Namespace, pod.Name)
	}
	return &set, err
}

// kept tells whether a claim outlives its pod: that of a StatefulSet's pod does
// while the StatefulSet has that ordinal.
func (r *Pods) kept(ctx context.Context, name string) (bool, error) {
	ip, ok := r.Claims.Book.Get(name)
	if !ok || ip.Spec.PodType != kubeovnv1.PodTypeStatefulSet {
		return false, nil
	}
	name, ordinal, ok := overlay.SplitOrdinal(ip.Spec.PodName)
	if !ok {
		return false, nil
	}
	var set appsv1.StatefulSet
	exists, err := r.get(ctx, client.ObjectKey{Namespace: ip.Spec.Namespace, Name: name}, &set)
	return exists && overlay.HasOrdinal(&set, ordinal), err
}

// whyUnrealised says why nobody can have an address of a subnet, if that is
// more than that its turn has not come yet.
func (r *Pods) whyUnrealised(ctx context.Context, pod *corev1.Pod, name string) []plan.Problem {
	subnet, err := r.subnet(ctx, name)
	problem := plan.Problem{Object: overlay.PodOwner(pod.Namespace, pod.Name), Reason: plan.UnknownSubnet}
	switch {
	case err != nil:
		return nil
	case subnet == nil:
		problem.Message = fmt.Sprintf("there is no subnet %s", name)
		return []plan.Problem{problem}
	}
	for _, c := range subnet.Status.Conditions {
		if c.Type == kubeovnv1.ConditionReady && c.Status == metav1.ConditionFalse && c.ObservedGeneration == subnet.Generation {
			problem.Message = fmt.Sprintf("subnet %s is not realised: %s", name, c.Message)
			return []plan.Problem{problem}
		}
	}
	return nil
}
