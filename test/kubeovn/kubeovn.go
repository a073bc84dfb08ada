// Package kubeovn does what a Kube-OVN does to a node, in its own steps and order:
// for tests of what becomes of such a node, and to measure against. It is a script
// that runs anywhere with ip and ovs-vsctl, and knows nothing of ours.
package kubeovn

import _ "embed"

// Takeover is the script that takes a NIC over and gives it back; its head says
// how it is called.
//
//go:embed takeover.sh
var Takeover string
