package host

import "net/netip"

// Masquerade says which packets leave the node under its own address. The zero
// value masquerades nothing.
type Masquerade struct {
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
}
