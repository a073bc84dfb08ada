package overlay

import (
	"net/netip"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// StatefulSetOf names the StatefulSet that a pod belongs to, if any.
func StatefulSetOf(pod *corev1.Pod) string {
	owner := metav1.GetControllerOfNoCopy(pod)
	if owner == nil || owner.Kind != "StatefulSet" || !strings.HasPrefix(owner.APIVersion, "apps/") {
		return ""
	}
	return owner.Name
}

// SplitOrdinal splits the name of a StatefulSet's pod.
func SplitOrdinal(pod string) (set string, ordinal int, ok bool) {
	i := strings.LastIndexByte(pod, '-')
	if i <= 0 {
		return "", 0, false
	}
	number, err := strconv.ParseUint(pod[i+1:], 10, 31)
	return pod[:i], int(number), err == nil
}

// HasOrdinal tells whether a StatefulSet wants a pod of this ordinal.
func HasOrdinal(set *appsv1.StatefulSet, ordinal int) bool {
	if set.DeletionTimestamp != nil {
		return false
	}
	first, replicas := start(set), 1
	if set.Spec.Replicas != nil {
		replicas = int(*set.Spec.Replicas)
	}
	return ordinal >= first && ordinal < first+replicas
}

// start is the ordinal of a set's first pod.
func start(set *appsv1.StatefulSet) int {
	if set == nil || set.Spec.Ordinals == nil {
		return 0
	}
	return int(set.Spec.Ordinals.Start)
}

// own narrows a pool down to the entry of a StatefulSet's pod, so that each pod
// has the same one at every start: the set's first pod the first entry, and so
// on. The pool is used as a ring, for a set with more pods than entries.
func own(pod *corev1.Pod, set *appsv1.StatefulSet, pool [][]netip.Addr) [][]netip.Addr {
	_, ordinal, ok := SplitOrdinal(pod.Name)
	if !ok || StatefulSetOf(pod) == "" || len(pool) == 0 {
		return pool
	}
	ordinal -= start(set)
	i := (ordinal%len(pool) + len(pool)) % len(pool) // a pod below the start is on its way out
	return pool[i : i+1]
}
