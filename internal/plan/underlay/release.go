package underlay

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	kubeovnv1 "hawser/api/v1"
)

// Patience is for how long a node that Kubernetes does not hear of is waited
// for, the same as a pod is left on it by default.
const Patience = 5 * time.Minute

// Released tells whether a part that is being deleted may go: its agent says
// that nothing of ours is left on the NICs, or never was allowed to put anything
// there, or cannot be asked. If not, it may change by itself after some time;
// zero is never.
//
// A node is not there any more, or has been silent for Patience: letting go does
// no harm. Its agent compares what it finds on the host with the parts that
// there are, and undoes what has none, whenever it comes back.
func Released(part *kubeovnv1.ProviderNetworkNode, node *corev1.Node, now time.Time) (ok bool, again time.Duration) {
	switch {
	case part.Status.Phase == kubeovnv1.PhaseReleased, part.Spec.ApprovedPlan == "", node == nil:
		return true, 0
	case isReady(node):
		return false, 0
	}
	left := Patience - now.Sub(silentSince(node))
	return left <= 0, max(0, left)
}

// silentSince is when a node stopped being ready; one that never said anything
// was never there.
func silentSince(node *corev1.Node) time.Time {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.LastTransitionTime.Time
		}
	}
	return node.CreationTimestamp.Time
}
