package host

// Desired is all that the agent wants of its node. It is applied in this
// order: links that we make (down), the packet filter, Open vSwitch, the rest of
// the network.
type Desired struct {
	// ExternalIDs are keys of the Open_vSwitch row; an empty value deletes one.
	ExternalIDs map[string]string
	Switching   Switching
	Network     Network
	// Confined are addresses that are answered for on their own device only.
	Confined  []Address
	Filtering Filtering
}
