package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/controller/judgement"
	"hawser/internal/plan/underlay"
)

// report writes what the nodes say, summed up, if it differs.
func (r *Networks) report(ctx context.Context, v view, verdict judgement.Verdict) error {
	pn, summary := v.Network, underlay.Summarise(v.Input)
	next := pn.DeepCopy()
	conditions, news := mergeAll(pn, readyInstead(verdict, summary.Condition), summary.Failures)
	next.Status = kubeovnv1.ProviderNetworkStatus{
		Conditions: conditions,
		Ready:      verdict.Realisable() && summary.Condition.Status == metav1.ConditionTrue,
		ReadyNodes: summary.Ready, NotReadyNodes: summary.NotReady,
		Vlans: v.land.VlansOf(pn.Name), Nodes: summary.Counts, Failures: summary.Failures,
	}
	if equality.Semantic.DeepEqual(pn.Status, next.Status) {
		return nil
	}
	r.announce(pn, news)
	return r.patchStatus(ctx, pn, next)
}

// reportRelease says whom a provider network waits for on its way out.
func (r *Networks) reportRelease(ctx context.Context, v view) error {
	var names []string
	for _, part := range v.Parts {
		names = append(names, part.Spec.Node)
	}
	slices.Sort(names)
	shown := strings.Join(names[:min(3, len(names))], ", ")
	if len(names) > 3 {
		shown += ", …"
	}
	next := v.Network.DeepCopy()
	next.Status.Ready = false
	next.Status.Conditions, _ = mergeAll(v.Network, []kubeovnv1.Condition{{
		Type: kubeovnv1.ConditionReady, Status: metav1.ConditionFalse, Reason: "Releasing",
		Message: fmt.Sprintf("waiting for %d nodes to let go of their NICs: %s", len(names), shown),
	}}, v.Network.Status.Failures)
	if equality.Semantic.DeepEqual(v.Network.Status, next.Status) {
		return nil
	}
	return r.patchStatus(ctx, v.Network, next)
}

// mergeAll puts the conditions about the network, and about each node that
// failed, into those that there are. Only the former are news here: of its own
// NICs a node tells itself.
func mergeAll(pn *kubeovnv1.ProviderNetwork, want []kubeovnv1.Condition, failures []kubeovnv1.ProviderNetworkFailure) (list []kubeovnv1.ProviderNetworkCondition, news []kubeovnv1.Condition) {
	now := time.Now()
	whole, news := judgement.Merge(conditionsOf(pn, ""), want, pn.Generation, now)
	for _, c := range whole {
		list = append(list, kubeovnv1.ProviderNetworkCondition{Condition: c})
	}
	for _, failure := range failures {
		one, _ := judgement.Merge(conditionsOf(pn, failure.Node), []kubeovnv1.Condition{{
			Type: kubeovnv1.ConditionReady, Status: metav1.ConditionFalse, Reason: failure.Reason, Message: failure.Message,
		}}, pn.Generation, now)
		for _, c := range one {
			list = append(list, kubeovnv1.ProviderNetworkCondition{Condition: c, Node: failure.Node})
		}
	}
	return list, news
}

func conditionsOf(pn *kubeovnv1.ProviderNetwork, node string) []kubeovnv1.Condition {
	var list []kubeovnv1.Condition
	for _, c := range pn.Status.Conditions {
		if c.Node == node {
			list = append(list, c.Condition)
		}
	}
	return list
}

// label writes the contract's labels of every node where they differ.
func (r *Networks) label(ctx context.Context, v view) error {
	parts := map[string]*kubeovnv1.ProviderNetworkNode{}
	for _, part := range v.Parts {
		parts[part.Spec.Node] = part
	}
	var errs []error
	for _, node := range v.Nodes {
		want := underlay.NodeLabels(v.name, v.Network, node, parts[node.Name])
		if changed := differing(node.Labels, want); len(changed) > 0 {
			errs = append(errs, r.patchLabels(ctx, node, changed))
		}
	}
	return errors.Join(errs...)
}

func (r *Networks) patchLabels(ctx context.Context, node *corev1.Node, labels map[string]*string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": node.UID, "labels": labels}})
	if err != nil {
		return fmt.Errorf("labelling node %s: %w", node.Name, err)
	}
	target := &metav1.PartialObjectMetadata{}
	target.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Node"))
	target.SetName(node.Name)
	if err := r.API.Patch(ctx, target, client.RawPatch(types.MergePatchType, patch)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("labelling node %s: %w", node.Name, err)
	}
	return nil
}

// differing is what of want is not so in have; nil is what should not be there.
func differing(have, want map[string]string) map[string]*string {
	changed := map[string]*string{}
	for key, value := range want {
		if have[key] == value {
			continue
		}
		changed[key] = nil
		if value != "" {
			changed[key] = &value
		}
	}
	return changed
}
