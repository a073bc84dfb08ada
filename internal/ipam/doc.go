// Package ipam hands out addresses and MACs. A Registry knows every subnet
// with its networks of either family, what is free in them, and who holds
// what; the same address or MAC is never given to two holders of a subnet.
//
//	subnet ──▶ free:   [10.16.0.5 ─ 10.16.0.9] [10.16.0.20 ─ 10.16.255.254]
//	           cursor:  ─────────▲  (next-fit: what is released waits a round)
//	           leases: "web-0.shop" ⇄ 10.16.0.2, fd00::2, 0a:…
//
// Space is kept as ranges, so an IPv6 /64 costs as little as an IPv4 /30, and
// every operation is logarithmic in the number of ranges, whatever the size of
// the cluster.
//
// The package is pure: no clock, no storage, no Kubernetes. It remembers
// nothing across a restart; the controller gives it the IP objects back with
// Restore. Which of two objects that claim one address is the elder is for the
// controller to judge.
package ipam
