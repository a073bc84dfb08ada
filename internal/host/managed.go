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

// Profile is what NetworkManager keeps to on a device, as far as it matters to who
// takes the device's addresses away: the connection that is active there.
type Profile struct {
	Name string // "" where none is active
	// Found tells that it was made of what NetworkManager has found on the device,
	// and not written by anybody.
	Found bool
	// Methods of getting addresses, such as "manual", "auto" and "disabled".
	IPv4, IPv6 string
	// Resolves tells that the host's name servers or search domains are the
	// profile's, and go from /etc/resolv.conf with its addresses.
	Resolves bool
	// Probes tells that, whenever the profile is activated, its addresses of IPv4 are
	// used only once nobody else was heard to have them, and its gateway is routed to
	// by the device alone as long.
	Probes bool
	// Zone is firewalld's for the device, where the profile names one.
	Zone string
	// Spares tells that this NetworkManager can be told to take from a device no
	// more than it has put there (since version 1.42).
	Spares bool
}
