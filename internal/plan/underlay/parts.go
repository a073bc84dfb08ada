package underlay

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/delta"
)

// Input is all that a provider network's parts, and its status, depend on.
type Input struct {
	Network *kubeovnv1.ProviderNetwork
	Nodes   []*corev1.Node
	Parts   []*kubeovnv1.ProviderNetworkNode // those that there are
}

// Work is what is to be done so that the parts are as they should be. Removed
// ones have to be deleted; their agents then let go of the NICs (Released).
type Work = delta.Delta[*kubeovnv1.ProviderNetworkNode]

// Plan compares the parts that there are with those that should be, with the
// approvals of whose turn it is. One that is being deleted is left alone: if it
// is wanted again, a new one is made when it has gone.
func Plan(in Input) Work {
	have, want := in.partsByNode(), in.wanted()
	approve(in, want)
	return delta.Diff(have, want, func(is, should *kubeovnv1.ProviderNetworkNode) bool {
		return is.DeletionTimestamp != nil || is.Name == should.Name &&
			reflect.DeepEqual(is.Spec, should.Spec) && contains(is.Labels, should.Labels) &&
			slices.Contains(is.Finalizers, kubeovnv1.Finalizer)
	})
}

// wanted is the part of each node that takes part, as it is to be, by node.
func (in Input) wanted() map[string]*kubeovnv1.ProviderNetworkNode {
	have := in.partsByNode()
	want := map[string]*kubeovnv1.ProviderNetworkNode{}
	for _, node := range in.Nodes {
		if !Member(in.Network, node) {
			continue
		}
		part := have[node.Name].DeepCopy()
		if part == nil {
			part = &kubeovnv1.ProviderNetworkNode{}
		}
		in.shape(part, node)
		want[node.Name] = part
	}
	return want
}

// shape gives a part its name, labels, owner and spec. The approval stays.
//
// Fields of the network that are not built yet (package support) do not reach
// the node: it would take them for something to be refused.
func (in Input) shape(part *kubeovnv1.ProviderNetworkNode, node *corev1.Node) {
	pn := in.Network
	part.Name = kubeovnv1.ProviderNetworkNodeName(pn.Name, node.Name)
	part.Labels = maps.Clone(part.Labels)
	if part.Labels == nil {
		part.Labels = map[string]string{}
	}
	part.Labels[kubeovnv1.LabelProviderNetwork] = pn.Name
	part.Labels[kubeovnv1.LabelHostname] = node.Name
	if !slices.Contains(part.Finalizers, kubeovnv1.Finalizer) {
		part.Finalizers = append(slices.Clone(part.Finalizers), kubeovnv1.Finalizer)
	}
	isController := true
	part.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: kubeovnv1.GroupVersion.String(), Kind: "ProviderNetwork", Name: pn.Name, UID: pn.UID, Controller: &isController,
	}}
	part.Spec = kubeovnv1.ProviderNetworkNodeSpec{
		ProviderNetwork: pn.Name, Node: node.Name, Interfaces: Interfaces(pn, node),
		Attachment: pn.Spec.Attachment, Mode: pn.Spec.Mode, LoopProtection: pn.Spec.LoopProtection,
		ExchangeLinkName: pn.Spec.ExchangeLinkName, VlanInterfaces: pn.Spec.VlanInterfaces, PreserveVlanInterfaces: pn.Spec.PreserveVlanInterfaces,
		AutoCreateVlanSubinterfaces: pn.Spec.AutoCreateVlanSubinterfaces,
		TrustPods:                   pn.Spec.TrustPods, DryRun: pn.Spec.DryRun,
		ApprovedPlan: part.Spec.ApprovedPlan,
	}
}

func (in Input) partsByNode() map[string]*kubeovnv1.ProviderNetworkNode {
	parts := map[string]*kubeovnv1.ProviderNetworkNode{}
	for _, part := range in.Parts {
		parts[part.Spec.Node] = part
	}
	return parts
}

// Member tells whether a node takes part: the contract has excludeNodes count
// only where there is no nodeSelector. A selector that cannot be read selects
// none; Check reports it.
//
// Annotations of the node are the contract's older way to exclude it, and to name
// its NIC. Kube-OVN moves them into the provider network; here they just count, after
// what that says itself.
func Member(pn *kubeovnv1.ProviderNetwork, node *corev1.Node) bool {
	if pn.Spec.NodeSelector == nil {
		annotated := node.Annotations[kubeovnv1.NodeLabel(pn.Name, kubeovnv1.NodeLabelExclude)] == "true"
		return !annotated && !slices.Contains(pn.Spec.ExcludeNodes, node.Name)
	}
	selector, err := metav1.LabelSelectorAsSelector(pn.Spec.NodeSelector)
	return err == nil && selector.Matches(labels.Set(node.Labels))
}

// Interfaces are a node's NICs: those of the first entry of customInterfaces
// that lists it, else that of its annotation, else the default ones.
func Interfaces(pn *kubeovnv1.ProviderNetwork, node *corev1.Node) []string {
	for _, custom := range pn.Spec.CustomInterfaces {
		if !slices.Contains(custom.Nodes, node.Name) {
			continue
		}
		if custom.Interface != "" {
			return []string{custom.Interface}
		}
		return slices.Clone(custom.Interfaces)
	}
	if nic := node.Annotations[interfaceKey(pn)]; nic != "" {
		return []string{nic}
	}
	return defaultInterfaces(pn)
}

// interfaceKey is that of the annotation that names a node's NIC.
func interfaceKey(pn *kubeovnv1.ProviderNetwork) string {
	return kubeovnv1.NodeLabel(pn.Name, kubeovnv1.NodeLabelInterface)
}

func defaultInterfaces(pn *kubeovnv1.ProviderNetwork) []string {
	if pn.Spec.DefaultInterface != "" {
		return strings.Split(pn.Spec.DefaultInterface, ",")
	}
	return slices.Clone(pn.Spec.DefaultInterfaces)
}

// contains tells whether all of some labels are there.
func contains(have, want map[string]string) bool {
	for key, value := range want {
		if have[key] != value {
			return false
		}
	}
	return true
}

// count writes "1 node" or "3 nodes".
func count(n int) string {
	if n == 1 {
		return "1 node"
	}
	return fmt.Sprintf("%d nodes", n)
}
