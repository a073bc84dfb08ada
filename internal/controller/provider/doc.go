// Package provider is the cluster's side of provider networks: a reconciler for
// ProviderNetworks and one for Vlans. Neither has rows in OVN; what a subnet in
// a Vlan has is package controller's.
//
//	ProviderNetwork, Nodes ─► plan/underlay ─► ProviderNetworkNodes
//	                                              │ ▲
//	                                   spec, turn │ │ plan, phase
//	                                              ▼ │
//	                                          node's agent
//
// Nothing is kept in memory: the parts say what was approved, and a process that
// has just become leader goes on from there. What is to be undone keeps its
// finalizer until it is: a ProviderNetwork until every node has let go of its
// NICs, a Vlan until no subnet names it.
package provider
