package controller

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/plan"
	"hawser/internal/plan/overlay"
)

// statefulSetOf names the StatefulSet that a pod belongs to, if any.
func statefulSetOf(pod *corev1.Pod) string {
	owner := metav1.GetControllerOfNoCopy(pod)
	if owner == nil || owner.Kind != "StatefulSet" || !strings.HasPrefix(owner.APIVersion, "apps/") {
		return ""
	}
	return owner.Name
}

// kept tells whether a claim outlives its pod: that of a StatefulSet's pod does
// while the StatefulSet has that ordinal.
func (r *Pods) kept(ctx context.Context, name string) (bool, error) {
	ip, ok := r.Claims.Book.Get(name)
	if !ok || ip.Spec.PodType != kubeovnv1.PodTypeStatefulSet {
		return false, nil
	}
	set, ordinal, ok := splitOrdinal(ip.Spec.PodName)
	if !ok {
		return false, nil
	}
	var found appsv1.StatefulSet
	exists, err := r.get(ctx, client.ObjectKey{Namespace: ip.Spec.Namespace, Name: set}, &found)
	return exists && hasOrdinal(&found, ordinal), err
}

// splitOrdinal splits the name of a StatefulSet's pod.
func splitOrdinal(pod string) (set string, ordinal int, ok bool) {
	i := strings.LastIndexByte(pod, '-')
	if i <= 0 {
		return "", 0, false
	}
	ordinal, err := strconv.Atoi(pod[i+1:])
	return pod[:i], ordinal, err == nil
}

// hasOrdinal tells whether a StatefulSet wants a pod of this ordinal.
func hasOrdinal(set *appsv1.StatefulSet, ordinal int) bool {
	if set.DeletionTimestamp != nil {
		return false
	}
	first, replicas := 0, 1
	if set.Spec.Ordinals != nil {
		first = int(set.Spec.Ordinals.Start)
	}
	if set.Spec.Replicas != nil {
		replicas = int(*set.Spec.Replicas)
	}
	return ordinal >= first && ordinal < first+replicas
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
