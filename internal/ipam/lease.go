package ipam

import (
	"net/netip"

	"hawser/internal/host"
)

// Lease is what a holder has: at most one address of each family, IPv4 first,
// and a MAC.
type Lease struct {
	Addresses []netip.Addr
	MAC       host.MAC
}

// Request says what a holder wants. The zero Request is for any free address
// of each of the subnet's families and a random MAC.
type Request struct {
	// Addresses asks for exactly these, at most one of each family. A family
	// that is not named gets no address: that is how the ip_address annotation
	// of a dual-stack subnet has always been read.
	Addresses []netip.Addr
	// Candidates asks for the first of these sets that is wholly free. It is
	// only looked at when Addresses is empty.
	Candidates [][]netip.Addr
	// MAC asks for this MAC; zero is for a random one.
	MAC host.MAC
	// Only limits an unpinned request to one family.
	Only Family
}

// Family chooses among address families.
type Family int

// The families; BothFamilies, the zero value, leaves the choice to the subnet.
const (
	BothFamilies Family = iota
	IPv4
	IPv6
)

// FamilyOf returns the family of an address or of a prefix's address.
func FamilyOf(addr netip.Addr) Family {
	if addr.Is4() {
		return IPv4
	}
	return IPv6
}

func (f Family) String() string {
	return [...]string{"IPv4 or IPv6", "IPv4", "IPv6"}[f]
}
