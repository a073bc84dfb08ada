package underlay

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	kubeovnv1 "hawser/api/v1"
)

// approve lets the nodes whose turn it is carry out their plans:
//
//   - none in a dry run, while paused, or once a node has failed in carrying out
//     an approved plan: a mistake in the network reaches no second node;
//   - so many at once as maxUnavailable allows, by name. Without it, a plan that
//     makes NICs without addresses ports needs no turn; one that touches a NIC
//     of the host waits until no other node is under way;
//   - none whose node is not ready: its turn comes when it is.
func approve(in Input, want map[string]*kubeovnv1.ProviderNetworkNode) {
	if in.Network.Spec.DryRun || in.Network.Spec.Rollout.Paused || len(in.stoppers()) > 0 {
		return
	}
	ready := map[string]bool{}
	for _, node := range in.Nodes {
		ready[node.Name] = isReady(node)
	}
	limit, limited := in.limit(len(want))
	busy := 0
	for _, part := range want {
		if underWay(part) {
			busy++
		}
	}
	for _, node := range slices.Sorted(maps.Keys(want)) {
		part := want[node]
		if !asks(part) || !ready[node] {
			continue
		}
		takesTurn := limited || part.Status.Attachment != kubeovnv1.AttachmentPort
		if takesTurn && busy >= limit {
			continue
		}
		part.Spec.ApprovedPlan = part.Status.PlanHash
		busy++
	}
}

// stoppers are the parts that failed, or were rolled back, in carrying out an
// approved plan, and have not been asked for anything else since.
func (in Input) stoppers() []*kubeovnv1.ProviderNetworkNode {
	return slices.DeleteFunc(slices.Clone(in.Parts), func(part *kubeovnv1.ProviderNetworkNode) bool {
		failed := part.Status.Phase == kubeovnv1.PhaseFailed || part.Status.Phase == kubeovnv1.PhaseRolledBack
		return !failed || part.DeletionTimestamp != nil || part.Spec.ApprovedPlan == "" || part.Spec.ApprovedPlan != part.Status.PlanHash
	})
}

// asks tells whether a node waits for the approval of a plan.
func asks(part *kubeovnv1.ProviderNetworkNode) bool {
	return part.DeletionTimestamp == nil && part.Status.Phase == kubeovnv1.PhaseWaiting &&
		part.Status.PlanHash != "" && part.Status.PlanHash != part.Spec.ApprovedPlan
}

// underWay tells whether a node has an approval that it has not yet used up.
func underWay(part *kubeovnv1.ProviderNetworkNode) bool {
	if part.DeletionTimestamp != nil || part.Spec.ApprovedPlan == "" || part.Spec.ApprovedPlan != part.Status.PlanHash {
		return false
	}
	return part.Status.Phase == kubeovnv1.PhaseWaiting || part.Status.Phase == kubeovnv1.PhaseRunning
}

// limit is how many nodes may be under way at once; limited tells whether the
// user said so.
func (in Input) limit(total int) (limit int, limited bool) {
	spec := in.Network.Spec.Rollout.MaxUnavailable
	switch {
	case spec == nil:
		return 1, false
	case spec.Type == intstr.Int:
		return spec.IntValue(), true
	}
	percent, err := strconv.Atoi(strings.TrimSuffix(spec.StrVal, "%"))
	if err != nil {
		return 1, true
	}
	return max(1, total*percent/100), true
}

// isReady tells whether Kubernetes hears of a node.
func isReady(node *corev1.Node) bool {
	return slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}
