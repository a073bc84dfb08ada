// Package netfilter owns three nftables tables, all named kube-ovn, and touches
// no other:
//
//   - inet: masquerades what leaves the cluster and what kube-proxy sent on;
//   - arp: keeps the answers for an address to the device that has it;
//   - netdev: isolates devices whose frames are for the userspace datapath.
//
// What is in them says itself what it is (names and rule comments), so a
// restarted agent changes only what differs.
package netfilter
