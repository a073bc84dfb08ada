package overlay

import (
	"net/netip"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
	"hawser/internal/ipam"
	"hawser/internal/plan"
)

// podReader reads the annotations of one pod.
type podReader struct {
	reader
	annotations map[string]string
}

func newPodReader(pod *corev1.Pod) *podReader {
	return &podReader{reader{object: PodOwner(pod.Namespace, pod.Name)}, pod.Annotations}
}

// Wants reads a pod's annotations ip_address, ip_pool, ip_family and
// mac_address into a request for its subnet n. The set is the StatefulSet that
// the pod is of, which matters to ip_pool alone; nil is none.
func Wants(pod *corev1.Pod, set *appsv1.StatefulSet, n Network) (ipam.Request, []plan.Problem) {
	r := newPodReader(pod)
	want := ipam.Request{MAC: r.mac(), Only: r.family(n)}
	pinned := r.pinned()
	for _, set := range pinned {
		for _, addr := range set {
			if !n.Contains(addr) {
				r.report(plan.OutOfSubnet, "address %s lies outside %s of subnet %s", addr, n.CIDR(), n.Name)
			}
		}
	}
	if pod.Annotations[kubeovnv1.AnnotationIPAddress] == "" {
		want.Candidates = own(pod, set, pinned)
	} else if len(pinned) == 1 {
		want.Addresses = pinned[0]
	}
	return want, r.problems
}

// pinned returns the sets of addresses that a pod may have, or nil if it leaves
// the choice to us. A single address has precedence over a pool: it is what we
// note down once the choice is made.
func (r *podReader) pinned() [][]netip.Addr {
	if text := r.annotations[kubeovnv1.AnnotationIPAddress]; text != "" {
		return r.sets(kubeovnv1.AnnotationIPAddress, []string{text})
	}
	text := r.annotations[kubeovnv1.AnnotationIPPool]
	if text == "" {
		return nil
	}
	if isObjectName(text) {
		r.report(plan.Unsupported, "annotation %s: IPPool %q: pools by name are not supported yet, list addresses", kubeovnv1.AnnotationIPPool, text)
		return nil
	}
	return r.sets(kubeovnv1.AnnotationIPPool, poolWords(text))
}

// isObjectName tells the name of an IPPool from a list of addresses.
func isObjectName(text string) bool {
	_, err := netip.ParseAddr(text)
	return err != nil && !strings.ContainsAny(text, ":,;/")
}

// poolWords splits a pool: "v4,v6;v4,v6" are pairs, "ip,ip" are single
// addresses, unless they are one of each family, which is one pair.
func poolWords(text string) []string {
	if strings.Contains(text, ";") {
		return words(text, ";")
	}
	singles := words(text, ",")
	if len(singles) == 2 && strings.Contains(singles[0], ":") != strings.Contains(singles[1], ":") {
		return []string{text}
	}
	return singles
}

func (r *podReader) sets(annotation string, texts []string) [][]netip.Addr {
	var sets [][]netip.Addr
	for _, text := range texts {
		if set := r.addresses("annotation "+annotation, text); len(set) > 0 {
			sets = append(sets, set)
		}
	}
	return sets
}

func (r *podReader) mac() host.MAC {
	text := r.annotations[kubeovnv1.AnnotationMACAddress]
	if text == "" {
		return host.MAC{}
	}
	mac, err := host.ParseMAC(text)
	if err != nil {
		r.report(plan.Malformed, "annotation %s: %v", kubeovnv1.AnnotationMACAddress, err)
		return host.MAC{}
	}
	if mac.IsZero() || !mac.IsUnicast() {
		r.report(plan.Malformed, "annotation %s: %s is not the address of one interface", kubeovnv1.AnnotationMACAddress, mac)
	}
	return mac
}

// family reads ip_family. It is only for subnets that have both.
func (r *podReader) family(n Network) ipam.Family {
	switch text := r.annotations[kubeovnv1.AnnotationIPFamily]; strings.ToLower(text) {
	case "":
		return ipam.BothFamilies
	case "ipv4":
		return r.familyOfNetwork(n, ipam.IPv4)
	case "ipv6":
		return r.familyOfNetwork(n, ipam.IPv6)
	default:
		r.report(plan.Malformed, "annotation %s: %q is neither ipv4 nor ipv6", kubeovnv1.AnnotationIPFamily, text)
		return ipam.BothFamilies
	}
}

func (r *podReader) familyOfNetwork(n Network, family ipam.Family) ipam.Family {
	for _, prefix := range n.Prefixes {
		if familyOf(prefix) == family {
			return family
		}
	}
	r.report(plan.OutOfSubnet, "annotation %s: subnet %s has no %s", kubeovnv1.AnnotationIPFamily, n.Name, family)
	return family
}
