package underlay

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/logical"
	"hawser/internal/plan"
)

// NetworkOwner is how problems call a ProviderNetwork. It has no rows.
func NetworkOwner(name string) logical.Owner {
	return logical.Owner{Kind: "ProviderNetwork", Name: name}
}

// Check finds in a provider network what a schema cannot, and compares it with
// the others. Of two that want one NIC of one node, the one that is realised
// keeps it, else the older.
func Check(pn *kubeovnv1.ProviderNetwork, nodes []*corev1.Node, others []*kubeovnv1.ProviderNetwork) []plan.Problem {
	c := checker{object: NetworkOwner(pn.Name)}
	if pn.Spec.NodeSelector != nil {
		if _, err := metav1.LabelSelectorAsSelector(pn.Spec.NodeSelector); err != nil {
			c.report(plan.Malformed, "nodeSelector: %v", err)
		}
	}
	if nic := twice(defaultInterfaces(pn)); nic != "" {
		c.report(plan.Malformed, "defaultInterface names %s twice", nic)
	}
	for _, node := range nodes {
		if nic := node.Annotations[interfaceKey(pn)]; len(nic) > longestNIC && Member(pn, node) {
			c.report(plan.Malformed, "annotation %s of node %s names no NIC, whose name has at most %d characters", interfaceKey(pn), node.Name, longestNIC)
		}
	}
	elders := slices.DeleteFunc(slices.Clone(others), func(other *kubeovnv1.ProviderNetwork) bool {
		return other.Name == pn.Name || !networkPrecedes(other, pn)
	})
	slices.SortFunc(elders, func(a, b *kubeovnv1.ProviderNetwork) int { return cmp.Compare(a.Name, b.Name) })
	for _, other := range elders {
		c.sharedNIC(pn, other, nodes)
	}
	return c.problems
}

// longestNIC is what the kernel takes as a device's name (IFNAMSIZ, less its end).
const longestNIC = 15

type checker struct {
	object   logical.Owner
	problems []plan.Problem
}

func (c *checker) report(reason plan.Reason, format string, args ...any) {
	c.problems = append(c.problems, plan.Problem{Object: c.object, Reason: reason, Message: fmt.Sprintf(format, args...)})
}

// sharedNIC reports one node on which both want the same NIC.
func (c *checker) sharedNIC(pn, other *kubeovnv1.ProviderNetwork, nodes []*corev1.Node) {
	first := ""
	text := ""
	for _, node := range nodes {
		if first != "" && node.Name > first || !Member(pn, node) || !Member(other, node) {
			continue
		}
		theirs := Interfaces(other, node)
		for _, nic := range Interfaces(pn, node) {
			if slices.Contains(theirs, nic) {
				first, text = node.Name, nic
				break
			}
		}
	}
	if first != "" {
		c.report(plan.InterfaceInUse, "%s of node %s is in provider network %s already; name another NIC, or a Vlan of that network", text, first, other.Name)
	}
}

func networkPrecedes(a, b *kubeovnv1.ProviderNetwork) bool {
	return precedes(a, b, accepted(conditionsOf(a), a.Generation), accepted(conditionsOf(b), b.Generation))
}

// conditionsOf are those about a network as a whole.
func conditionsOf(pn *kubeovnv1.ProviderNetwork) []kubeovnv1.Condition {
	var list []kubeovnv1.Condition
	for _, c := range pn.Status.Conditions {
		if c.Node == "" {
			list = append(list, c.Condition)
		}
	}
	return list
}

// precedes orders two objects by right of way: what works is not taken down by
// a mistake in another.
func precedes(a, b metav1.Object, acceptedA, acceptedB bool) bool {
	if acceptedA != acceptedB {
		return acceptedA
	}
	created := a.GetCreationTimestamp()
	other := b.GetCreationTimestamp()
	return cmp.Or(created.Compare(other.Time), cmp.Compare(a.GetName(), b.GetName())) < 0
}

// accepted tells whether the spec as it is now has been found to make sense.
func accepted(conditions []kubeovnv1.Condition, generation int64) bool {
	return slices.ContainsFunc(conditions, func(c kubeovnv1.Condition) bool {
		return c.Type == kubeovnv1.ConditionValidated && c.Status == metav1.ConditionTrue && c.ObservedGeneration == generation
	})
}

// twice is the first of some names that occurs again, or nothing.
func twice(names []string) string {
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return name
		}
	}
	return ""
}
