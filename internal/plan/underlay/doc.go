// Package underlay plans provider networks, as far as the cluster decides: which
// nodes take part with which NICs, in which order they may begin, what the
// network's status says of them, and which VLANs there are.
//
//	ProviderNetwork + Nodes ─► Wanted ─► a ProviderNetworkNode for each node
//	        ▲                               │ spec: what, approvedPlan
//	        └── Summarise ◄─ status ◄───────┘ the node's agent: plan, phase
//
// What a node does to its NICs is the node's to plan (package nodeplan/uplink).
// How a subnet joins a VLAN stands in package overlay. The package is pure: the
// time is an argument.
package underlay
