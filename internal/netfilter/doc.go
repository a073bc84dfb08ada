// Package netfilter owns two nftables tables, both named kube-ovn, and touches
// no other:
//
//   - inet: masquerades what leaves the cluster and what kube-proxy sent on;
//   - netdev: isolates devices whose frames are for the userspace datapath.
//
// What is in them says itself what it is (names and rule comments), so a
// restarted agent changes only what differs.
package netfilter
