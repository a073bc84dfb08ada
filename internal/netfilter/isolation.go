package netfilter

import (
	"fmt"

	"sigs.k8s.io/knftables"

	"hawser/internal/host"
)

// isolatePriority is before all else, connection tracking and the assembly of
// fragments among it.
const isolatePriority = knftables.BaseChainPriority("-500")

// isolating draws the chain that makes the host's stack deaf to the devices of
// one group: what comes in there reaches packet sockets, which is how the
// userspace datapath reads it, and nobody else. The rule is the same for one
// device and for a thousand, so that starting a pod costs nothing here. ARP is
// not its business: the devices of the group have noarp.
func isolating() chain {
	return chain{
		Chain: &knftables.Chain{
			Name:     isolateChain,
			Type:     knftables.PtrTo(knftables.FilterType),
			Hook:     knftables.PtrTo(knftables.PreroutingHook),
			Priority: knftables.PtrTo(isolatePriority),
		},
		rules: []rule{newRule("devices of Open vSwitch", fmt.Sprintf("iifgroup %d drop", host.DeafGroup))},
	}
}
