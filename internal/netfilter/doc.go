// Package netfilter owns two nftables tables, both named kube-ovn, and touches
// no other:
//
//   - inet: makes the host deaf to the devices of Open vSwitch, keeps pods out of
//     private subnets that they would enter by a Service or, underlay ones, in the
//     node's name, and masquerades what leaves the cluster and what kube-proxy sent
//     on;
//   - arp: keeps the answers for an address to the device that has it.
//
// Neither grows with the pods of the node: starting one changes nothing here.
//
// What is in them says itself what it is (names and rule comments), so a
// restarted agent changes only what differs.
package netfilter
