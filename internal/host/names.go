package host

import "errors"

// The devices that are ours, known again after a restart by these names.
// Nothing else on a machine is ever changed, except by a plan that says so.
const (
	// IntegrationBridge is OVN's bridge, which ovn-controller makes.
	IntegrationBridge = "br-int"
	// NodeLink is the node's own leg in the join subnet, an internal port of
	// the integration bridge.
	NodeLink = "ovn0"
	// EncapBridge carries the encapsulation address where the datapath runs in
	// user space (docs/decisions/0004).
	EncapBridge = "br-encap"
	// EncapLink is the macvlan of the tunnel's NIC that is EncapBridge's only
	// port.
	EncapLink = "hwencap"
)

// RouteProtocol marks our routes in the kernel's tables, as rtnetlink(7) means
// it: a number that tells who set a route. Nobody else is registered for it.
const RouteProtocol = 158

// DetourTable is the routing table of detours, which a rule of priority
// DetourPriority leads to, ahead of the main table's (32766).
const (
	DetourTable    = 158
	DetourPriority = 1580
)

// DeafGroup is the group (ip-link(8)) of the devices whose frames are for Open
// vSwitch alone. One rule of the packet filter drops what the host's own stack
// hears on any of them, so that the rule does not grow with the pods.
const DeafGroup = 158

// IsOwn tells whether a device is one of ours, so that its addresses and
// settings are ours to decide.
func IsOwn(link string) bool {
	return link == NodeLink || link == EncapBridge || link == EncapLink
}

// ErrMissing says that a device which somebody else has to make is not there
// yet. Nothing is wrong: its appearance is told, and the rest is done then.
var ErrMissing = errors.New("device is not there yet")
