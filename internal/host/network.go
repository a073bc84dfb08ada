package host

import (
	"net/netip"
	"slices"
)

// KindMacvlan is the only kind of link that we make ourselves. All others
// appear through Open vSwitch, or belong to the machine.
const KindMacvlan = "macvlan"

// Link is a network device. In a Snapshot every field is filled; in a Desired
// state zero values mean "as it is".
type Link struct {
	Name     string
	Kind     string // the kernel's word, such as "macvlan", "veth", "openvswitch"; empty for hardware
	Parent   string // of a macvlan or a VLAN: the device below it
	MAC      MAC
	MTU      int // in bytes
	Up       bool
	NoARP    bool   // neither asks nor answers for addresses
	Deaf     bool   // in DeafGroup: the host's stack hears nothing on it
	Loopback bool   // in a Snapshot only
	Alias    string // in a Snapshot only; a pod's link carries its owner here

	// In a Snapshot only:

	Index   int
	Master  string // the bridge, bond, team or VRF that it is a member of; "ovs-system" of a kernel datapath
	Carrier bool   // it has a link partner
	Promisc bool   // it takes frames for other addresses than its own
}

// Address is an address on a device, with the length of its network.
type Address struct {
	Link   string
	Prefix netip.Prefix
}

// Route is a route of the main table. Without a Gateway the destination is on
// the link; Source, if set, is the address that the node's own packets take.
type Route struct {
	Link    string
	Prefix  netip.Prefix
	Gateway netip.Addr
	Source  netip.Addr
}

// Detour is the way that packets with DetourMark take, whatever the main table
// says: one for each family.
type Detour struct {
	Link    string
	Gateway netip.Addr
}

// Sysctl is a setting below /proc/sys, such as "net/ipv4/ip_forward".
type Sysctl struct {
	Key   string
	Value string
}

// Network is what the kernel should hold of ours. The zero Network means
// nothing: applying it takes away all that we ever put there.
type Network struct {
	Links     []Link
	Addresses []Address
	Routes    []Route
	Detours   []Detour
	Sysctls   []Sysctl
}

// Snapshot is what the kernel holds, as far as plans depend on it: all links,
// in the kernel's order, and all addresses of global scope.
type Snapshot struct {
	Links     []Link
	Addresses []Address
	// Forwards6 tells whether the node forwards IPv6 at all.
	Forwards6 bool
	// Advertised names the links whose default route a router advertised; they
	// may lose it when Forwards6 is switched on.
	Advertised []string
	// Leased are the addresses with a lifetime, as DHCP and router
	// advertisements give them.
	Leased []Address
	// Bridges are those of Open vSwitch, whoever made them.
	Bridges []Installed
}

// Installed is a bridge of Open vSwitch as it is.
type Installed struct {
	Name  string
	Owner string   // "" of a bridge that is not ours
	Ports []string // those of a bond with its devices
	// KubeOVN tells that a Kube-OVN made it: it has that vendor's mark, and no owner.
	KubeOVN bool
	// Takeover tells that it was made to take a NIC over.
	Takeover bool
	// RSTP tells that it takes part in the spanning tree outside.
	RSTP bool
}

// BridgeWith finds the bridge that has a device as its port.
func (s Snapshot) BridgeWith(port string) (Installed, bool) {
	for _, bridge := range s.Bridges {
		if slices.Contains(bridge.Ports, port) {
			return bridge, true
		}
	}
	return Installed{}, false
}

// Link finds a device by name.
func (s Snapshot) Link(name string) (Link, bool) {
	for _, link := range s.Links {
		if link.Name == name {
			return link, true
		}
	}
	return Link{}, false
}

// Uppers names the devices that were made on top of one.
func (s Snapshot) Uppers(name string) []string {
	var out []string
	for _, link := range s.Links {
		if link.Parent == name {
			out = append(out, link.Name)
		}
	}
	slices.Sort(out)
	return out
}

// Holder names the device that has an address.
func (s Snapshot) Holder(addr netip.Addr) (Address, bool) {
	for _, have := range s.Addresses {
		if have.Prefix.Addr() == addr {
			return have, true
		}
	}
	return Address{}, false
}
