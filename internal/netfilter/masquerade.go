package netfilter

import (
	"fmt"
	"net/netip"
	"slices"

	"sigs.k8s.io/knftables"

	"hawser/internal/host"
)

// The names in the inet table; sets come in two families, "4" and "6".
const (
	masqueradeChain = "postrouting"
	sourcesSet      = "sources"
	subnetsSet      = "subnets"
	nodesSet        = "nodes"
)

// priority comes after kube-proxy's own chain (100): what kube-proxy marked is
// masqueraded and unmarked by itself first, and only what it left is ours.
const priority = knftables.BaseChainPriority("110")

// masquerading draws the inet table.
func masquerading(want host.Masquerade) blueprint {
	if want.Gateway == "" {
		return blueprint{}
	}
	return blueprint{
		purpose: "masquerading of the pod network; kept by kube-ovn-cni",
		chain: &knftables.Chain{
			Name:     masqueradeChain,
			Type:     knftables.PtrTo(knftables.NATType),
			Hook:     knftables.PtrTo(knftables.PostroutingHook),
			Priority: knftables.PtrTo(priority),
		},
		sets:     sets(),
		rules:    rules(want.Gateway),
		elements: elements(want),
	}
}

// rules reads: what came from a pod and was sent on by kube-proxy has to come
// back through this node; what leaves the cluster needs an address that the
// world can answer to.
func rules(gateway string) []rule {
	outside := func(ip, family string) string {
		return fmt.Sprintf("%[1]s saddr @%[3]s%[2]s %[1]s daddr != @%[4]s%[2]s %[1]s daddr != @%[5]s%[2]s masquerade fully-random",
			ip, family, sourcesSet, subnetsSet, nodesSet)
	}
	return []rule{
		newRule("pods to services", fmt.Sprintf("iifname %q ct status dnat masquerade fully-random", gateway)),
		newRule("pods to the outside, IPv4", outside("ip", "4")),
		newRule("pods to the outside, IPv6", outside("ip6", "6")),
	}
}

// sets describes the six sets, empty.
func sets() []*knftables.Set {
	var out []*knftables.Set
	for _, family := range []struct{ suffix, kind string }{{"4", "ipv4_addr"}, {"6", "ipv6_addr"}} {
		out = append(out,
			&knftables.Set{Name: sourcesSet + family.suffix, Type: family.kind, Flags: []knftables.SetFlag{knftables.IntervalFlag}},
			&knftables.Set{Name: subnetsSet + family.suffix, Type: family.kind, Flags: []knftables.SetFlag{knftables.IntervalFlag}},
			&knftables.Set{Name: nodesSet + family.suffix, Type: family.kind})
	}
	return out
}

// elements lists what the sets are to hold.
func elements(want host.Masquerade) map[string]element {
	out := map[string]element{}
	put := func(set string, addr netip.Addr, value string) {
		member := element{set: set + "6", value: value}
		if addr.Is4() {
			member.set = set + "4"
		}
		out[member.key()] = member
	}
	for _, prefix := range disjoint(want.Sources) {
		put(sourcesSet, prefix.Addr(), spell(prefix))
	}
	for _, prefix := range disjoint(want.Subnets) {
		put(subnetsSet, prefix.Addr(), spell(prefix))
	}
	for _, addr := range want.Nodes {
		put(nodesSet, addr.Unmap(), addr.Unmap().String())
	}
	return out
}

// spell writes a prefix as nft lists it: without a length when it is one address.
func spell(prefix netip.Prefix) string {
	if prefix.IsSingleIP() {
		return prefix.Addr().String()
	}
	return prefix.String()
}

// disjoint leaves out prefixes that others cover: an interval set refuses them.
func disjoint(prefixes []netip.Prefix) []netip.Prefix {
	sorted := make([]netip.Prefix, 0, len(prefixes))
	for _, prefix := range prefixes {
		sorted = append(sorted, prefix.Masked())
	}
	slices.SortFunc(sorted, func(a, b netip.Prefix) int { return a.Bits() - b.Bits() })
	var out []netip.Prefix
	for _, prefix := range sorted {
		if !slices.ContainsFunc(out, prefix.Overlaps) {
			out = append(out, prefix)
		}
	}
	return out
}
