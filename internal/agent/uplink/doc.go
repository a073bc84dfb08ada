// Package uplink keeps this node's part in provider networks: the NICs that
// join, and nothing else of them.
//
//	ProviderNetworkNodes ─┐
//	of this node          │
//	kernel, OVSDB, ───────┼─▶ gather ─▶ nodeplan/uplink ─▶ approved? ─▶ steps ─▶ status,
//	NetworkManager hints  │               (pure)           (spec)     (journal)  events
//	pods in VLANs ────────┘                                  │
//	                                                         └─▶ follow: MTU, carrier, stations
//
// There is one root, the node: plans depend on each other, since a NIC is in one
// provider network only. What a plan does to the host is in the journal of
// package steps, so that a restarted agent finds it, and nothing here has to be
// remembered. A plan is carried out when the controller has approved its hash; a
// problem, or an outage of anything, leaves what stands as it is. Only a part
// that is deleted, or that names another NIC, takes a NIC out.
package uplink
