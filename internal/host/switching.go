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
	ExternalIDs  map[string]string
	OtherConfig  map[string]string
}

// BridgePort is a port of a bridge with its single interface, which has the
// same name. Its bridge may belong to another owner; it has to exist first.
type BridgePort struct {
	Bridge string
	Name   string
	Type   string // "" is an existing device, "internal" one that Open vSwitch makes
	MAC    MAC    // of an internal port; zero lets Open vSwitch choose
	MTU    int    // requested of the device; 0 leaves it alone
	Tag    int    // VLAN of an access port; 0 carries all

	// ExternalIDs are those of the interface, "iface-id" among them. As in
	// Bridge, an empty value removes a key and unnamed keys are left alone.
	ExternalIDs map[string]string
}
