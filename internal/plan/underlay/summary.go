package underlay

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubeovnv1 "hawser/api/v1"
)

// The reasons of a provider network's condition Ready beside those of its nodes.
const (
	reasonReady  = "Ready"
	reasonNone   = "NoNodes"
	reasonDryRun = "DryRun"
	reasonPaused = "Paused"
	// ReasonInProgress: nobody has to do anything.
	ReasonInProgress = "InProgress"
)

// listedFailures is how many failures a status holds.
const listedFailures = 10

// Summary is what a provider network's status says of its nodes.
type Summary struct {
	Ready, NotReady []string // names of nodes, sorted
	Counts          kubeovnv1.ProviderNetworkNodeCounts
	Failures        []kubeovnv1.ProviderNetworkFailure // the first ten by name
	Condition       kubeovnv1.Condition                // type Ready
}

// Summarise sums up what the nodes say of themselves.
func Summarise(in Input) Summary {
	var s Summary
	var waiting []*kubeovnv1.ProviderNetworkNode
	want := in.wanted()
	for _, node := range slices.Sorted(maps.Keys(want)) {
		part := want[node]
		s.Counts.Total++
		if joined(part) {
			s.Counts.Ready++
			s.Ready = append(s.Ready, node)
			continue
		}
		s.NotReady = append(s.NotReady, node)
		if !stuck(part) {
			s.Counts.Waiting++
			waiting = append(waiting, part)
			continue
		}
		if s.Counts.Failed++; len(s.Failures) < listedFailures {
			s.Failures = append(s.Failures, kubeovnv1.ProviderNetworkFailure{Node: node, Reason: part.Status.Reason, Message: part.Status.Message})
		}
	}
	s.Condition = in.condition(s, waiting)
	return s
}

// joined tells whether a node has done all that it is asked for now.
func joined(part *kubeovnv1.ProviderNetworkNode) bool {
	return part.Status.Phase == kubeovnv1.PhaseReady && part.Status.ObservedGeneration >= part.Generation && part.DeletionTimestamp == nil
}

// stuck tells whether somebody has to look at a node: it failed, or it says why
// it cannot begin.
func stuck(part *kubeovnv1.ProviderNetworkNode) bool {
	switch part.Status.Phase {
	case kubeovnv1.PhaseFailed, kubeovnv1.PhaseRolledBack:
		return true
	case kubeovnv1.PhasePending:
		return part.Status.Reason != ""
	}
	return false
}

// condition says in one line how far the network is, and what it waits for.
func (in Input) condition(s Summary, waiting []*kubeovnv1.ProviderNetworkNode) kubeovnv1.Condition {
	c := kubeovnv1.Condition{Type: kubeovnv1.ConditionReady, Status: metav1.ConditionFalse}
	pn := in.Network
	switch {
	case s.Counts.Total == 0:
		c.Reason, c.Message = reasonNone, "no node takes part: see spec.nodeSelector and spec.excludeNodes"
	case s.Counts.Failed > 0:
		first := s.Failures[0]
		c.Reason = first.Reason
		c.Message = fmt.Sprintf("%s%s: %s", first.Node, more(int(s.Counts.Failed)-1), first.Message)
		if len(in.stoppers()) > 0 && len(waiting) > 0 {
			c.Message += fmt.Sprintf("; %s wait until that is mended", count(len(waiting)))
		}
	case s.Counts.Ready == s.Counts.Total:
		c.Status, c.Reason = metav1.ConditionTrue, reasonReady
	case pn.Spec.DryRun:
		c.Reason, c.Message = reasonDryRun, "spec.dryRun: nothing is done; what would be is in the status of each pnn: kubectl get pnn -o yaml -l "+kubeovnv1.LabelProviderNetwork+"="+pn.Name
	case pn.Spec.Rollout.Paused:
		c.Reason, c.Message = reasonPaused, fmt.Sprintf("spec.rollout.paused: %s wait", count(len(waiting)))
	default:
		c.Reason = ReasonInProgress
		c.Message = fmt.Sprintf("%d of %s ready; next %s", s.Counts.Ready, count(int(s.Counts.Total)), progress(waiting))
	}
	if c.Reason == "" {
		c.Reason = string(kubeovnv1.PhaseFailed)
	}
	return c
}

// more tells of how many others the same is true.
func more(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" and %s more", count(n))
}

// progress says what the first few of the waiting nodes are at.
func progress(waiting []*kubeovnv1.ProviderNetworkNode) string {
	var texts []string
	for _, part := range waiting[:min(3, len(waiting))] {
		phase := part.Status.Phase
		if phase == "" {
			phase = kubeovnv1.PhasePending
		}
		texts = append(texts, fmt.Sprintf("%s (%s)", part.Spec.Node, strings.ToLower(string(phase))))
	}
	return strings.Join(texts, ", ")
}
