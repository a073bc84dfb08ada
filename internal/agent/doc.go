// Package agent keeps one node as the overlay needs it: ovn0, routes, tunnel
// and masquerading, for as long as the node lives.
//
//	Node, Subnets ──┐
//	kernel, OVSDB, ─┼─▶ gather ─▶ nodeplan/overlay ─▶ apply ─▶ report
//	nftables hints ─┘              (pure)            kernel    Node annotation,
//	                                                 OVSDB     condition, events,
//	                                                 nftables  CNI conflist
//
// There is one root, the node itself, and every change of anything leads to the
// same reconciliation; hints say only "look again". Where something is not
// known, because the API server, OVN or Open vSwitch cannot be asked, all stays
// as it is: an outage takes nothing from a running pod, and ends no process.
package agent
