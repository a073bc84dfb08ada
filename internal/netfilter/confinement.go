package netfilter

import (
	"fmt"

	"sigs.k8s.io/knftables"

	"hawser/internal/host"
)

const confineChain = "input"

// confinement draws the arp table. Linux answers an ARP request for any address
// that it has, on whichever device it comes in. An address in here is answered
// for on its own device only; its neighbours in the same LAN see one owner.
// IPv6 needs none of it: neighbour discovery keeps to the device by itself.
func confinement(want []host.Address) blueprint {
	confine := chain{Chain: &knftables.Chain{
		Name:     confineChain,
		Type:     knftables.PtrTo(knftables.FilterType),
		Hook:     knftables.PtrTo(knftables.InputHook),
		Priority: knftables.PtrTo(knftables.FilterPriority),
	}}
	for _, address := range want {
		if address.Prefix.Addr().Is4() {
			text := fmt.Sprintf("iifname != %q arp operation request arp daddr ip %s drop", address.Link, address.Prefix.Addr())
			confine.rules = append(confine.rules, newRule("only on "+address.Link, text))
		}
	}
	if len(confine.rules) == 0 {
		return blueprint{}
	}
	return blueprint{purpose: "addresses that one device alone answers for; kept by kube-ovn-cni", chains: []chain{confine}}
}
