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
// Of several NICs in one provider network, each joins its own way. Those that are in
// one network outside, as a patrol of probes finds out, leave it to one of them: that
// is no other plan, and waits for no approval. Who stands by is in the journal. In a bond
// and in a spanning tree Open vSwitch says who takes part, and nothing searches.
//
// There is one root, the node: plans depend on each other, since a NIC is in one
// provider network only. What a plan does to the host is in the journal of
// package steps, so that a restarted agent finds it, and nothing here has to be
// remembered. A plan is carried out when the controller has approved its hash; a
// problem, or an outage of anything, leaves what stands as it is. Only a part
// that is deleted, or that names another NIC, takes a NIC out. What somebody puts on
// a NIC that is taken over is moved to its bridge, and not fought over.
package uplink
