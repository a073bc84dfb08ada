package underlay

import (
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	kubeovnv1 "hawser/api/v1"
)

// NodeLabels are the contract's labels of a node about a provider network, all
// of them by key; an empty value is a label that should not be there. Without a
// network (nil) all should go.
func NodeLabels(name string, pn *kubeovnv1.ProviderNetwork, node *corev1.Node, part *kubeovnv1.ProviderNetworkNode) map[string]string {
	want := map[string]string{}
	set := func(word, value string) { want[kubeovnv1.NodeLabel(name, word)] = value }
	for _, word := range []string{
		kubeovnv1.NodeLabelReady, kubeovnv1.NodeLabelInterface, kubeovnv1.NodeLabelMTU,
		kubeovnv1.NodeLabelExclude, kubeovnv1.NodeLabelVlanInterfaces,
	} {
		set(word, "")
	}
	switch {
	case pn == nil || pn.DeletionTimestamp != nil:
	case !Member(pn, node):
		set(kubeovnv1.NodeLabelExclude, "true")
	case part == nil || part.DeletionTimestamp != nil || part.Status.Phase != kubeovnv1.PhaseReady:
		set(kubeovnv1.NodeLabelReady, "false")
	default:
		set(kubeovnv1.NodeLabelReady, "true")
		if nic := part.Spec.Interfaces[0]; len(validation.IsValidLabelValue(nic)) == 0 {
			set(kubeovnv1.NodeLabelInterface, nic)
		}
		if mtu := MTU(part); mtu > 0 {
			set(kubeovnv1.NodeLabelMTU, strconv.Itoa(mtu))
		}
	}
	return want
}

// MTU is the smallest of a node's NICs in a provider network, which is the MTU
// of its pods; zero while unknown.
func MTU(part *kubeovnv1.ProviderNetworkNode) int {
	smallest := 0
	for _, nic := range part.Status.Interfaces {
		if mtu := int(nic.MTU); mtu > 0 && (smallest == 0 || mtu < smallest) {
			smallest = mtu
		}
	}
	return smallest
}

// Labelled names the provider networks that a node has labels about.
func Labelled(node *corev1.Node) []string {
	var names []string
	for key := range node.Labels {
		if name, _, ok := strings.Cut(key, ".provider-network.kubernetes.io/"); ok && name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
