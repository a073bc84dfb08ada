package host

import "net/netip"

// PodLink is the cable between a pod and the virtual switch: a veth pair, whose
// one end is a port of the bridge and whose other end is in the pod's network
// namespace.
//
//	br-int ── <Host> ═══════ <Name> in NetNS, with MAC, Addresses and Routes
type PodLink struct {
	Host      string // the end at the switch
	NetNS     string // path of the pod's network namespace
	Name      string // the end in the pod, "eth0"
	Owner     string // kept in the alias of the host end, by which it is recognised
	MAC       MAC    // of the end in the pod
	MTU       int
	Addresses []netip.Prefix // address with the length of its network
	Routes    []Route        // in the pod; their Link is left empty, for there is only one
}
