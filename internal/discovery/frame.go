package discovery

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"hawser/internal/host"
)

// EtherTypes, and the protocol number of ICMPv6.
const (
	etherARP  = 0x0806
	etherIPv6 = 0x86dd
	icmp6     = 58
)

// Numbers of RFC 826 and RFC 4861.
const (
	arpRequest, arpReply             = 1, 2
	neighbourSolicits, neighbourSays = 135, 136
	sourceLinkAddress                = 1
	targetLinkAddress                = 2
)

// Lengths, in bytes, of what a frame of these two begins with.
const (
	etherHeader = 14
	ip6Header   = 40
)

// Answer is what a frame says of an address: who has it.
type Answer struct {
	Address netip.Addr
	MAC     host.MAC // who has it
	To      host.MAC // who is told, which may be a group
	Reply   bool     // to a question, where others are questions themselves
}

// Question asks who has an address. The asker may be unspecified, so that nobody
// takes note of it; then the answer tells whether the address is taken.
func Question(mac host.MAC, asker, about netip.Addr) []byte {
	if about.Is4() {
		return arpFrame(arpRequest, mac, host.MAC{}, asker, about)
	}
	return solicitation(mac, asker, about)
}

// Announcement tells all switches and neighbours where an address is now. That of an
// IPv6 address is from the link-local one of the MAC: OVN's routers learn from all
// others, unasked, each on every chassis.
func Announcement(mac host.MAC, address netip.Addr) []byte {
	if address.Is4() {
		return arpFrame(arpRequest, mac, host.MAC{}, address, address)
	}
	body := make([]byte, 24)
	body[0], body[4] = neighbourSays, 0x20 // override
	copy(body[8:], address.AsSlice())
	allNodes := netip.MustParseAddr("ff02::1")
	return ip6Frame(mac, mac.LinkLocal(), allNodes, withLinkAddress(body, targetLinkAddress, mac))
}

func arpFrame(operation uint16, mac, target host.MAC, sender, about netip.Addr) []byte {
	frame := append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, mac[:]...)
	frame = binary.BigEndian.AppendUint16(frame, etherARP)
	frame = append(frame, 0, 1, 8, 0, 6, 4) // Ethernet, IPv4 and their lengths
	frame = binary.BigEndian.AppendUint16(frame, operation)
	from := netip.IPv4Unspecified()
	if sender.Is4() {
		from = sender
	}
	frame = append(append(frame, mac[:]...), from.AsSlice()...)
	return append(append(frame, target[:]...), about.AsSlice()...)
}

func solicitation(mac host.MAC, asker, about netip.Addr) []byte {
	body := make([]byte, 24)
	body[0] = neighbourSolicits
	copy(body[8:], about.AsSlice())
	if asker.IsUnspecified() {
		return ip6Frame(mac, asker, solicited(about), body)
	}
	return ip6Frame(mac, asker, solicited(about), withLinkAddress(body, sourceLinkAddress, mac))
}

func withLinkAddress(body []byte, option byte, mac host.MAC) []byte {
	return append(append(body, option, 1), mac[:]...)
}

// solicited is the group in which whoever has an address listens (RFC 4291).
func solicited(address netip.Addr) netip.Addr {
	group, last := netip.MustParseAddr("ff02::1:ff00:0").As16(), address.As16()
	copy(group[13:], last[13:])
	return netip.AddrFrom16(group)
}

func ip6Frame(mac host.MAC, from, to netip.Addr, body []byte) []byte {
	group := to.As16()
	frame := append([]byte{0x33, 0x33}, group[12:]...)
	frame = append(frame, mac[:]...)
	frame = binary.BigEndian.AppendUint16(frame, etherIPv6)
	frame = append(frame, 0x60, 0, 0, 0)
	frame = binary.BigEndian.AppendUint16(frame, uint16(len(body)))
	frame = append(frame, icmp6, 255)
	frame = append(append(frame, from.AsSlice()...), to.AsSlice()...)
	binary.BigEndian.PutUint16(body[2:], checksum(from, to, body))
	return append(frame, body...)
}

// checksum is that of RFC 4443, over the pseudo header of RFC 8200.
func checksum(from, to netip.Addr, body []byte) uint16 {
	over := append(from.AsSlice(), to.AsSlice()...)
	over = binary.BigEndian.AppendUint32(over, uint32(len(body)))
	over = append(append(over, 0, 0, 0, icmp6), body...)
	var sum uint32
	for i := 0; i+1 < len(over); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(over[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// Read reads what a frame says; ok is false for all other frames.
func Read(frame []byte) (said Answer, ok bool) {
	if len(frame) < etherHeader {
		return said, false
	}
	copy(said.To[:], frame)
	copy(said.MAC[:], frame[6:12])
	body := frame[etherHeader:]
	switch binary.BigEndian.Uint16(frame[12:]) {
	case etherARP:
		return said.ofARP(body)
	case etherIPv6:
		return said.ofIP6(body)
	}
	return said, false
}

func (a Answer) ofARP(body []byte) (Answer, bool) {
	if len(body) < 28 || !bytes.Equal(body[:6], []byte{0, 1, 8, 0, 6, 4}) {
		return a, false
	}
	copy(a.MAC[:], body[8:14])
	a.Address = netip.AddrFrom4([4]byte(body[14:18]))
	a.Reply = binary.BigEndian.Uint16(body[6:]) == arpReply
	return a, true
}

// ofIP6 reads an advertisement, or the solicitation of somebody who is about to
// take an address and asks whether it is free.
func (a Answer) ofIP6(body []byte) (Answer, bool) {
	if len(body) < ip6Header+24 || body[6] != icmp6 {
		return a, false
	}
	message := body[ip6Header:]
	a.Address = netip.AddrFrom16([16]byte(message[8:24]))
	a.Reply = message[0] == neighbourSays
	free := message[0] == neighbourSolicits && netip.AddrFrom16([16]byte(body[8:24])).IsUnspecified()
	return a, a.Reply || free
}
