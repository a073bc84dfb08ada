package host

import "net/netip"

// Filtering is what the packet filter does with the packets of pods. The zero
// value is nothing.
type Filtering struct {
	// Gateway is the link through which pods' packets reach the node. What
	// enters there and was sent to a Service is masqueraded, so that the answer
	// comes back the same way.
	Gateway string
	// Sources are the subnets whose packets are masqueraded when they leave the
	// cluster, that is for any destination that is neither in Subnets nor in
	// Nodes.
	Sources []netip.Prefix
	Subnets []netip.Prefix
	Nodes   []netip.Addr
	// Private are the subnets that not every pod may enter where the node is between
	// pod and pod, and OVN sees the node alone: by way of a Service and, of underlay
	// subnets, by the wire.
	Private []PrivateSubnet
	// Underlay are the subnets whose pods come by Gateway for Services only: the
	// node may have a shorter way back to them, on the wire. The answers of such
	// connections get DetourMark, so that they leave by Gateway too.
	Underlay []netip.Prefix
}

// DetourMark is the bit of a packet's and of a connection's mark that says so.
// kube-proxy uses the bits 14 and 15.
const DetourMark = 0x00200000

// PrivateSubnet admits those of Filtering.Subnets that it names, and no other. Nodes
// with an address in it are none of its pods.
type PrivateSubnet struct {
	Prefix netip.Prefix
	Admits []netip.Prefix
}
