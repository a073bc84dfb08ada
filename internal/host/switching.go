package host

// Switching is what one owner wants of the local virtual switch. The zero
// Switching means nothing: applying it is how an owner's rows are deleted.
type Switching struct {
	Bridges []Bridge
	Ports   []BridgePort
}

// Bridge is a bridge of Open vSwitch together with its local port, the device
// of the same name.
//
// ExternalIDs and OtherConfig name only what the owner wants to say: a key with
// an empty value is removed, and a key that is not named is left alone, because
// ovs-vswitchd and ovn-controller keep notes of their own in the same columns.
type Bridge struct {
	Name         string
	DatapathType string // "" or "system" is the kernel's, "netdev" is userspace
	FailMode     string // "", "standalone" or "secure"
	MAC          MAC    // of the local port; zero lets Open vSwitch choose
	// RSTP has the bridge take part in the spanning tree of the networks outside.
	// Else no bridge protocol data unit (BPDU) ever leaves one of its ports. Open
	// vSwitch keeps bonds out of it, but not the patches of ovn-controller: OVN drops
	// BPDUs between such a patch and the pods (package plan/overlay). A port that is
	// left out by its other_config is flooded to no more (3.5).
	RSTP        bool
	ExternalIDs map[string]string
	OtherConfig map[string]string
}

// BridgePort is a port of a bridge: of the one device of its name, or of the
// devices of a bond. Its bridge may belong to another owner; it has to exist first.
type BridgePort struct {
	Bridge string
	Name   string
	Type   string // "" is an existing device, "internal" one that Open vSwitch makes
	MAC    MAC    // of an internal port; zero lets Open vSwitch choose
	MTU    int    // requested of the device; 0 leaves it alone
	Tag    int    // VLAN of an access port; 0 carries all

	// Protected ports of a bridge exchange no frames with each other, so that no
	// loop can pass through the bridge.
	Protected bool
	// Place is for RSTP. Of ports that lead into one network the one with the lowest
	// forwards; and no way between two networks leads through a port that has one while
	// there is any other. It is from 1 to 16; 0 leaves both to Open vSwitch.
	Place   int
	Mode    BondMode // of a bond
	Members []string // the devices of a bond, in any order; none for all other ports

	// ExternalIDs are those of each interface, "iface-id" among them. As in
	// Bridge, an empty value removes a key and unnamed keys are left alone.
	ExternalIDs map[string]string
}

// BondMode is how the devices of a bond share its frames.
type BondMode string

// The modes of a bond.
const (
	// BondActiveBackup has one device carry all; the switches need to know nothing.
	BondActiveBackup BondMode = "ActiveBackup"
	// BondBalanceSLB shares by source and VLAN; the switches need to know nothing,
	// but have to be one network.
	BondBalanceSLB BondMode = "BalanceSLB"
	// BondLACP shares by flow, in agreement with one switch (IEEE 802.1AX). While
	// that does not answer, one device carries all.
	BondLACP BondMode = "LACP"
)

// PortState is how Open vSwitch says that a port is doing.
type PortState struct {
	Name string
	// RSTPRole and RSTPState are the words of IEEE 802.1D, such as "Designated" and
	// "Forwarding"; both are empty without RSTP.
	RSTPRole, RSTPState string
	Members             []MemberState // sorted by name
}

// MemberState is how a device of a port is doing.
type MemberState struct {
	Name    string
	Carrier bool
	Partner bool // the switch speaks LACP with it
	Carries bool // it takes a part of the port's frames, or all
}
