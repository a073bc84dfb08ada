package overlay

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/plan"
)

// Choose says which subnets a pod may get its address from, in the order in
// which they are to be tried (the next when one is full): the one its
// annotation names, else those bound to its namespace, oldest first, else the
// default subnet. Of several, those that cannot hold the address that the pod
// asks for are left out.
func Choose(c Cluster, pod *corev1.Pod, ns *corev1.Namespace, subnets []*kubeovnv1.Subnet) ([]string, []plan.Problem) {
	r := newPodReader(pod)
	if name := pod.Annotations[kubeovnv1.AnnotationLogicalSwitch]; name != "" {
		return r.named(c, name, subnets), r.problems
	}
	bound := boundTo(c, ns, subnets)
	if len(bound) == 0 {
		return []string{c.DefaultSubnet}, nil
	}
	fitting := bound
	if pinned := r.pinned(); len(pinned) > 0 {
		fitting = slices.DeleteFunc(slices.Clone(bound), func(s *kubeovnv1.Subnet) bool { return !holdsAny(c, s, pinned) })
	}
	if len(fitting) == 0 {
		asked := cmp.Or(r.annotations[kubeovnv1.AnnotationIPAddress], r.annotations[kubeovnv1.AnnotationIPPool])
		r.report(plan.OutOfSubnet, "%s is in none of the subnets of namespace %s (%s): ask for an address of one of them", asked, ns.Name, strings.Join(namesOf(bound), ", "))
	}
	return namesOf(fitting), r.problems
}

// named checks the subnet that a pod's annotation names.
func (r *podReader) named(c Cluster, name string, subnets []*kubeovnv1.Subnet) []string {
	i := slices.IndexFunc(subnets, func(s *kubeovnv1.Subnet) bool { return s.Name == name })
	switch {
	case i < 0:
		r.report(plan.UnknownSubnet, "annotation %s: there is no subnet %q", kubeovnv1.AnnotationLogicalSwitch, name)
	case !isForPods(c, subnets[i]):
		r.report(plan.UnknownSubnet, "annotation %s: subnet %q is not for pods", kubeovnv1.AnnotationLogicalSwitch, name)
	default:
		return []string{name}
	}
	return nil
}

// boundTo returns the subnets that name a namespace or select it, oldest first:
// one that is added because the others are full comes last.
func boundTo(c Cluster, ns *corev1.Namespace, subnets []*kubeovnv1.Subnet) []*kubeovnv1.Subnet {
	var bound []*kubeovnv1.Subnet
	for _, s := range subnets {
		if isForPods(c, s) && s.DeletionTimestamp.IsZero() && binds(s, ns) {
			bound = append(bound, s)
		}
	}
	slices.SortFunc(bound, olderFirst)
	return bound
}

// isForPods leaves out the nodes' subnet and those of secondary interfaces.
func isForPods(c Cluster, s *kubeovnv1.Subnet) bool {
	return s.Name != c.JoinSubnet && (s.Spec.Provider == "" || s.Spec.Provider == kubeovnv1.ProviderOVN)
}

func binds(s *kubeovnv1.Subnet, ns *corev1.Namespace) bool {
	return slices.Contains(s.Spec.Namespaces, ns.Name) ||
		slices.ContainsFunc(s.Spec.NamespaceSelectors, func(selector metav1.LabelSelector) bool { return selects(selector, ns) })
}

// selects follows Kubernetes: an empty selector selects every namespace. One
// that cannot be read selects none; Parse reports it.
func selects(selector metav1.LabelSelector, ns *corev1.Namespace) bool {
	s, err := metav1.LabelSelectorAsSelector(&selector)
	return err == nil && s.Matches(labels.Set(ns.Labels))
}

// holdsAny tells whether one of the sets of addresses lies in a subnet.
func holdsAny(c Cluster, s *kubeovnv1.Subnet, sets [][]netip.Addr) bool {
	n, _ := Parse(c, s)
	return slices.ContainsFunc(sets, func(set []netip.Addr) bool {
		return !slices.ContainsFunc(set, func(a netip.Addr) bool { return !n.Contains(a) })
	})
}

func namesOf(subnets []*kubeovnv1.Subnet) []string {
	var names []string
	for _, s := range subnets {
		names = append(names, s.Name)
	}
	return names
}

// NamespaceAnnotations returns the annotations that tell of the subnets that a
// namespace's pods come from, in order: logical_switch, cidr and exclude_ips.
// It is nil while there is no such subnet.
func NamespaceAnnotations(c Cluster, ns *corev1.Namespace, subnets []*kubeovnv1.Subnet) map[string]string {
	from := boundTo(c, ns, subnets)
	if len(from) == 0 {
		from = slices.DeleteFunc(slices.Clone(subnets), func(s *kubeovnv1.Subnet) bool { return s.Name != c.DefaultSubnet })
	}
	if len(from) == 0 {
		return nil
	}
	var cidrs, excludes []string
	for _, s := range from {
		n, _ := Parse(c, s)
		cidrs = append(cidrs, n.CIDR())
		excludes = append(excludes, strings.Join(slices.Sorted(slices.Values(s.Spec.ExcludeIPs)), ","))
	}
	return map[string]string{
		kubeovnv1.AnnotationLogicalSwitch: strings.Join(namesOf(from), ","),
		kubeovnv1.AnnotationCIDR:          strings.Join(cidrs, ";"),
		kubeovnv1.AnnotationExcludeIPs:    strings.Join(excludes, ";"),
	}
}
