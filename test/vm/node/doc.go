// Package node has the scenarios that need a node with a distribution's kernel:
// Open vSwitch's kernel datapath, Team, bond and VLANs, NetworkManager,
// Keepalived. Its tests run inside the virtual machine of test/vm, all in one
// boot; started outside, they start it.
package node
