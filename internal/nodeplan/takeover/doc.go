// Package takeover plans how a NIC becomes a port of a provider's bridge together
// with all that the host has on it.
//
//	ProviderNetworkNode ─┐            ┌─▶ host.Plan, and its story: what is moved now,
//	the NIC's belongings ┼─▶ Plan ────┤   and how each step is undone
//	the host as it is ───┘            └─▶ or one Problem: all stays as it is
//
// It is pure. What may join which network at all is package nodeplan/uplink's to
// say; here it is said whether all that a NIC has can be moved, in which order, and
// what of a takeover that Kube-OVN made is kept as it is.
package takeover
