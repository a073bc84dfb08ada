package host

// LoopNIC is a NIC that takes part in a search for loops.
type LoopNIC struct {
	Name  string
	VLANs []int  // in which it sends probes; 0 is untagged
	Mark  uint32 // of a shared NIC, Uplink.Mark: its programs then let a probe out to the wire alone; else 0
}

// Meeting says that frames of one NIC of this node arrive at another: outside,
// the two are in one network.
type Meeting struct {
	NICs [2]string // sorted
	VLAN int       // in which the frame was sent
}

// LoopFindings is what a search for loops found out.
type LoopFindings struct {
	Meetings []Meeting // sorted
	// Mute are the NICs that could not take part, and why. Of them nothing is
	// known.
	Mute map[string]string
}
