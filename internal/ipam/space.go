package ipam

import (
	"math/big"
	"net/netip"
	"slices"
)

// usageRanges bounds how many ranges a Usage lists: some 64 KiB at worst, of
// the 1.5 MiB that etcd takes for an object.
const usageRanges = 1024

// space is one network of a subnet.
//
//	open   what may be handed out unasked: the network without excludes and
//	       reserved addresses, whoever holds them
//	free   open without what is held
//	held   all that is held, also what was asked for among the excludes
type space struct {
	network  Network
	reserved []netip.Addr
	open     rangeSet
	free     rangeSet
	held     rangeSet
	cursor   netip.Addr // where the search for a free address starts

	openSize *big.Int
	heldSize int64
	heldOpen int64 // held addresses that are in open
}

func newSpace(network Network, excludes []Range) *space {
	whole := RangeOf(network.Prefix)
	s := &space{network: network, reserved: reservedOf(network), cursor: whole.First}
	s.open.add(whole)
	for _, addr := range s.reserved {
		s.open.remove(single(addr))
	}
	for _, r := range excludes {
		if r.First.BitLen() == whole.First.BitLen() {
			s.open.remove(r)
		}
	}
	for r := range s.open.all() {
		s.free.add(r)
	}
	s.openSize = s.open.size()
	return s
}

// reservedOf lists what no holder can have: the gateway, for IPv4 the network
// and the broadcast address, for IPv6 the subnet-router anycast address
// (RFC 4291, 2.6.1), which is the network's too.
func reservedOf(network Network) []netip.Addr {
	whole := RangeOf(network.Prefix)
	reserved := []netip.Addr{whole.First}
	if whole.Last.Is4() {
		reserved = append(reserved, whole.Last)
	}
	if network.Gateway.IsValid() {
		reserved = append(reserved, network.Gateway)
	}
	return reserved
}

func (s *space) family() Family { return FamilyOf(s.network.Prefix.Addr()) }

func (s *space) isReserved(addr netip.Addr) bool { return slices.Contains(s.reserved, addr) }

// pick finds the next free address from the cursor on, once around. It takes
// nothing.
func (s *space) pick() (netip.Addr, bool) {
	if addr, ok := s.free.next(s.cursor); ok {
		return addr, true
	}
	return s.free.next(s.network.Prefix.Addr())
}

// pass moves the cursor behind an address that was picked.
func (s *space) pass(addr netip.Addr) {
	s.cursor = addr.Next()
	if !s.cursor.IsValid() {
		s.cursor = s.network.Prefix.Addr()
	}
}

// take marks an address as held that is not.
func (s *space) take(addr netip.Addr) {
	s.held.add(single(addr))
	s.free.remove(single(addr))
	s.count(addr, 1)
}

// release marks an address as not held that is.
func (s *space) release(addr netip.Addr) {
	s.held.remove(single(addr))
	if s.open.contains(addr) {
		s.free.add(single(addr))
	}
	s.count(addr, -1)
}

func (s *space) count(addr netip.Addr, change int64) {
	s.heldSize += change
	if s.open.contains(addr) {
		s.heldOpen += change
	}
}

func (s *space) usage() FamilyUsage {
	return FamilyUsage{
		Using:          big.NewInt(s.heldSize),
		Available:      new(big.Int).Sub(s.openSize, big.NewInt(s.heldOpen)),
		UsingRange:     s.held.text(usageRanges),
		AvailableRange: s.free.text(usageRanges),
	}
}
