package host

// ManagedDevice is what NetworkManager says of a device.
type ManagedDevice struct {
	Name string
	Kind string // NetworkManager's word, such as "ethernet", "team", "bond", "vlan"
	// Managed says that NetworkManager configures the device: what it carries
	// may come back or change at any time.
	Managed bool
	State   string // such as "activated" or "disconnected"
	// Profile is the name of the connection that is active on the device.
	Profile string
	// Controller is the team, bond or bridge that it is a port of.
	Controller string
}
