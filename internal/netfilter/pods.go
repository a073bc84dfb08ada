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
	isolateChain    = "isolate"
	privateChain    = "private"
	masqueradeChain = "postrouting"

	sourcesSet  = "sources"
	subnetsSet  = "subnets"
	nodesSet    = "nodes"
	privateSet  = "private"
	admittedSet = "admitted" // pairs: who may come, to which private subnet
	underlaySet = "underlay"

	markChain       = "detours"
	markOutputChain = "detours-output"
)

// masqueradePriority comes after kube-proxy's own chain (100): what kube-proxy
// marked is masqueraded and unmarked by itself first, and only what it left is
// ours.
const masqueradePriority = knftables.BaseChainPriority("110")

// privatePriority comes before any masquerading, while a packet still says who
// sent it. The hook is postrouting, for kube-proxy's IPVS mode sends packets on
// from its input hook: they are never forwarded.
const privatePriority = knftables.BaseChainPriority("90")

// pods draws the inet table.
func pods(want host.Filtering) blueprint {
	if want.Gateway == "" {
		return blueprint{}
	}
	drawn := blueprint{
		purpose:  "isolation and masquerading of the pod network; kept by kube-ovn-cni",
		chains:   []chain{isolating(), closing(), masquerading(want.Gateway)},
		sets:     sets(),
		elements: elements(want),
	}
	if len(want.Underlay) > 0 {
		drawn.chains[1].rules = append(drawn.chains[1].rules, closingToUnderlay()...)
		drawn.chains = append(drawn.chains, marking(want.Gateway)...)
	}
	return drawn
}

// marking draws the chains that remember which connections of underlay pods came
// by the gateway, and mark their answers before the kernel chooses a route: those
// that it forwards, and those of its own, for which it chooses once more.
func marking(gateway string) []chain {
	came := func(ip, family string) string {
		return fmt.Sprintf("iifname %q ct state new %s saddr @%s%s ct mark set ct mark or %#x", gateway, ip, underlaySet, family, host.DetourMark)
	}
	answer := fmt.Sprintf("ct direction reply ct mark and %#[1]x == %#[1]x meta mark set meta mark or %#[1]x", host.DetourMark)
	base := func(name string, kind knftables.BaseChainType, hook knftables.BaseChainHook) *knftables.Chain {
		return &knftables.Chain{Name: name, Type: &kind, Hook: &hook, Priority: knftables.PtrTo(knftables.ManglePriority)}
	}
	return []chain{
		{Chain: base(markChain, knftables.FilterType, knftables.PreroutingHook), rules: []rule{
			newRule("underlay pods to services, IPv4", came("ip", "4")),
			newRule("underlay pods to services, IPv6", came("ip6", "6")),
			newRule("answers to underlay pods", answer),
		}},
		{Chain: base(markOutputChain, knftables.RouteType, knftables.OutputHook), rules: []rule{
			newRule("the node's answers to underlay pods", answer),
		}},
	}
}

// closing draws the chain that keeps pods out of private subnets. OVN does that
// itself, but for what a node stands between: a pod's packet to a Service, which
// comes back from kube-proxy to the pod's own node, or to another by a node port;
// and all that a pod of the overlay sends to an underlay subnet, by the wire. It
// enters the switch as the node's. Who sent it is known here only. Nodes may have
// addresses of a subnet, and are none of its pods.
func closing() chain {
	closed := func(ip, family string) string {
		return fmt.Sprintf("ct direction original %[1]s daddr @%[3]s%[2]s %[1]s daddr != @%[5]s%[2]s %[1]s saddr @%[4]s%[2]s %[1]s saddr != @%[5]s%[2]s "+
			"%[1]s saddr . %[1]s daddr != @%[6]s%[2]s drop", ip, family, privateSet, subnetsSet, nodesSet, admittedSet)
	}
	return chain{
		Chain: &knftables.Chain{
			Name:     privateChain,
			Type:     knftables.PtrTo(knftables.FilterType),
			Hook:     knftables.PtrTo(knftables.PostroutingHook),
			Priority: knftables.PtrTo(privatePriority),
		},
		rules: []rule{
			newRule("pods to private subnets, IPv4", closed("ip", "4")),
			newRule("pods to private subnets, IPv6", closed("ip6", "6")),
		},
	}
}

// closingToUnderlay does the same for underlay pods, who are known by the way
// that they came, not by an address: other hosts of the wire have such too.
func closingToUnderlay() []rule {
	closed := func(ip, family string) string {
		return fmt.Sprintf("ct direction original ct mark and %#[3]x == %#[3]x %[1]s daddr @%[4]s%[2]s %[1]s daddr != @%[6]s%[2]s "+
			"%[1]s saddr . %[1]s daddr != @%[5]s%[2]s drop", ip, family, host.DetourMark, privateSet, admittedSet, nodesSet)
	}
	return []rule{
		newRule("underlay pods to services of private subnets, IPv4", closed("ip", "4")),
		newRule("underlay pods to services of private subnets, IPv6", closed("ip6", "6")),
	}
}

// masquerading draws the chain that gives packets the node's address: what came
// from a pod and was sent on by kube-proxy has to come back through this node;
// what leaves the cluster needs an address that the world can answer to.
//
// In its IPVS mode kube-proxy translates without saying so in the connection's
// status. There, what goes back to where it came from was translated, for OVN
// would not have sent it out; and so was what goes to a node that it was not
// sent to. A node port that leads to another node is masqueraded by kube-proxy.
func masquerading(gateway string) chain {
	elsewhere := func(ip, family string) string {
		return fmt.Sprintf("iifname %[3]q %[1]s daddr @%[4]s%[2]s ct original %[1]s daddr != @%[4]s%[2]s masquerade fully-random",
			ip, family, gateway, nodesSet)
	}
	outside := func(ip, family string) string {
		return fmt.Sprintf("%[1]s saddr @%[3]s%[2]s %[1]s daddr != @%[4]s%[2]s %[1]s daddr != @%[5]s%[2]s masquerade fully-random",
			ip, family, sourcesSet, subnetsSet, nodesSet)
	}
	return chain{
		Chain: &knftables.Chain{
			Name:     masqueradeChain,
			Type:     knftables.PtrTo(knftables.NATType),
			Hook:     knftables.PtrTo(knftables.PostroutingHook),
			Priority: knftables.PtrTo(masqueradePriority),
		},
		rules: []rule{
			newRule("pods to services", fmt.Sprintf("iifname %q ct status dnat masquerade fully-random", gateway)),
			newRule("pods to services of pods, IPVS", fmt.Sprintf("iifname %[1]q oifname %[1]q masquerade fully-random", gateway)),
			newRule("pods to services of nodes, IPVS, IPv4", elsewhere("ip", "4")),
			newRule("pods to services of nodes, IPVS, IPv6", elsewhere("ip6", "6")),
			newRule("pods to the outside, IPv4", outside("ip", "4")),
			newRule("pods to the outside, IPv6", outside("ip6", "6")),
		},
	}
}

// sets describes the sets of both families, empty.
func sets() []*knftables.Set {
	var out []*knftables.Set
	interval := []knftables.SetFlag{knftables.IntervalFlag}
	for _, family := range []struct{ suffix, kind string }{{"4", "ipv4_addr"}, {"6", "ipv6_addr"}} {
		out = append(out,
			&knftables.Set{Name: sourcesSet + family.suffix, Type: family.kind, Flags: interval},
			&knftables.Set{Name: subnetsSet + family.suffix, Type: family.kind, Flags: interval},
			&knftables.Set{Name: underlaySet + family.suffix, Type: family.kind, Flags: interval},
			&knftables.Set{Name: nodesSet + family.suffix, Type: family.kind},
			&knftables.Set{Name: privateSet + family.suffix, Type: family.kind, Flags: interval},
			&knftables.Set{Name: admittedSet + family.suffix, Type: family.kind + " . " + family.kind, Flags: interval})
	}
	return out
}

// elements lists what the sets are to hold.
func elements(want host.Filtering) map[string]element {
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
	for _, prefix := range disjoint(want.Underlay) {
		put(underlaySet, prefix.Addr(), spell(prefix))
	}
	for _, addr := range want.Nodes {
		put(nodesSet, addr.Unmap(), addr.Unmap().String())
	}
	for prefix, admitted := range private(want.Private) {
		put(privateSet, prefix.Addr(), spell(prefix))
		for _, source := range disjoint(admitted) {
			put(admittedSet, prefix.Addr(), pair(spell(source), spell(prefix)))
		}
	}
	return out
}

// private gives whom each private subnet admits. Of two that overlap, which the
// controller refuses, the larger one speaks for both.
func private(subnets []host.PrivateSubnet) map[netip.Prefix][]netip.Prefix {
	var all []netip.Prefix
	for _, subnet := range subnets {
		all = append(all, subnet.Prefix)
	}
	out := map[netip.Prefix][]netip.Prefix{}
	for _, prefix := range disjoint(all) {
		for _, subnet := range subnets {
			if subnet.Prefix == prefix {
				out[prefix] = append(out[prefix], subnet.Admits...)
			}
		}
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
