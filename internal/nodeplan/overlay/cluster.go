package overlay

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
)

// cluster is what a node knows of all others: which destinations are pods',
// which are nodes', who is masqueraded, and who is kept
// out.
type cluster struct {
	overlay   []netip.Prefix // reached through ovn0
	subnets   []netip.Prefix // never masqueraded as a destination
	outgoing  []netip.Prefix // masqueraded as a source, towards the outside
	private   []host.PrivateSubnet
	underlay  []netip.Prefix // on a physical network; only their way to Services leads through ovn0
	join      []netip.Prefix
	nodes     []netip.Addr
	localNode []netip.Addr // this node's, as far as they are on the host
}

func readCluster(in Input) cluster {
	var out cluster
	for i := range in.Subnets {
		out.addSubnet(&in.Subnets[i], in.Options)
	}
	for i := range in.Nodes {
		out.nodes = append(out.nodes, internalIPs(&in.Nodes[i])...)
	}
	for _, address := range internalIPs(in.Node) {
		if _, there := in.Host.Holder(address); there {
			out.localNode = append(out.localNode, address)
		}
	}
	for _, list := range []*[]netip.Prefix{&out.overlay, &out.subnets, &out.outgoing, &out.underlay} {
		*list = sorted(*list, comparePrefixes)
	}
	out.nodes = sorted(out.nodes, netip.Addr.Compare)
	return out
}

// addSubnet sorts in a Subnet of the default VPC. What cannot be read is the
// controller's to report.
func (c *cluster) addSubnet(subnet *kubeovnv1.Subnet, options Options) {
	spec := subnet.Spec
	if cmp.Or(spec.Vpc, options.Vpc) != options.Vpc || cmp.Or(spec.Provider, kubeovnv1.ProviderOVN) != kubeovnv1.ProviderOVN {
		return
	}
	prefixes := parsePrefixes(spec.CIDRBlock)
	if spec.Private && subnet.Name != options.JoinSubnet {
		c.addPrivate(spec)
	}
	if spec.Vlan != "" { // for the node, a network like any other outside
		c.underlay = append(c.underlay, prefixes...)
		return
	}
	c.subnets = append(c.subnets, prefixes...)
	if subnet.Name == options.JoinSubnet {
		c.join = append(c.join, prefixes...)
		return
	}
	c.overlay = append(c.overlay, prefixes...)
	if spec.NatOutgoing {
		c.outgoing = append(c.outgoing, prefixes...)
	}
}

// add wants routes to the overlay's subnets, and the packet filter. The source
// of what the node itself sends to pods is its Kubernetes address, by which
// policies and probes know it.
func (c cluster) add(desired *host.Desired, leg leg) {
	for _, prefix := range c.overlay {
		join, ok := leg.of(prefix.Addr().Is6())
		if !ok {
			continue // the join subnet lacks the family; the controller reports it
		}
		desired.Network.Routes = append(desired.Network.Routes, host.Route{
			Link: host.NodeLink, Prefix: prefix, Gateway: join.gateway, Source: c.source(prefix.Addr().Is6()),
		})
	}
	desired.Filtering = host.Filtering{
		Gateway: host.NodeLink, Sources: c.outgoing, Subnets: c.subnets, Nodes: c.nodes, Private: c.admitNodes(),
		Underlay: c.underlay,
	}
	c.addDetours(desired, leg)
}

// addDetours wants the answers of Services to underlay pods to leave by ovn0
// (docs/decisions/0008), and ovn0 to take in what the node would not send there:
// the loose check of sources, which wins over a strict one for all devices.
func (c cluster) addDetours(desired *host.Desired, leg leg) {
	for _, join := range leg.networks {
		family := func(prefix netip.Prefix) bool { return prefix.Addr().Is6() == join.is6() }
		if !slices.ContainsFunc(c.underlay, family) {
			continue
		}
		desired.Network.Detours = append(desired.Network.Detours, host.Detour{Link: host.NodeLink, Gateway: join.gateway})
		if !join.is6() {
			desired.Network.Sysctls = append(desired.Network.Sysctls, host.Sysctl{Key: "net/ipv4/conf/ovn0/rp_filter", Value: "2"})
		}
	}
}

func (c cluster) source(is6 bool) netip.Addr {
	for _, address := range c.localNode {
		if address.Is6() == is6 {
			return address
		}
	}
	return netip.Addr{}
}

// internalIPs reads a node's addresses, in the order in which kubelet gave them.
func internalIPs(node *corev1.Node) []netip.Addr {
	var out []netip.Addr
	for _, address := range node.Status.Addresses {
		if address.Type != corev1.NodeInternalIP {
			continue
		}
		if ip, err := netip.ParseAddr(address.Address); err == nil {
			out = append(out, ip.Unmap())
		}
	}
	return out
}

func parsePrefixes(list string) []netip.Prefix {
	var out []netip.Prefix
	for _, text := range strings.Split(list, ",") {
		if prefix, err := netip.ParsePrefix(strings.TrimSpace(text)); err == nil {
			out = append(out, prefix.Masked())
		}
	}
	return out
}

func comparePrefixes(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

func sorted[T comparable](list []T, compare func(a, b T) int) []T {
	slices.SortFunc(list, compare)
	return slices.Compact(list)
}
