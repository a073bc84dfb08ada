package takeover

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// Places in the header of an address: struct ifaddrmsg.
const (
	addressBits  = 1
	addressFlags = 2
	addressScope = 3
	addressIndex = 4
)

// attributeProtocol is IFA_PROTO: who set an address (Linux 5.18).
const attributeProtocol = 11

// givenFlags are those that a program may give an address; the kernel decides on
// the others.
const givenFlags = unix.IFA_F_NODAD | unix.IFA_F_HOMEADDRESS | unix.IFA_F_MANAGETEMPADDR | unix.IFA_F_NOPREFIXROUTE | unix.IFA_F_MCAUTOJOIN

// addressing reads, gives and takes addresses.
type addressing struct{ *door }

// addresses are those of a device in the kernel's order: IPv4 before IPv6, and a
// subnet's primary before its secondaries.
func (a addressing) addresses(on device) ([]message, error) {
	var out []message
	for _, family := range families {
		question := message{header: make([]byte, addressHeader)}
		question.header[0] = family
		binary.NativeEndian.PutUint32(question.header[addressIndex:], uint32(on.index))
		found, err := a.dump(unix.RTM_GETADDR, unix.RTM_NEWADDR, question)
		if err != nil {
			return nil, fmt.Errorf("list addresses of %s: %w", on.name, err)
		}
		out = append(out, found...)
	}
	return out, nil
}

func prefixOf(address message) netip.Prefix {
	raw := address.get(unix.IFA_LOCAL)
	if raw == nil {
		raw = address.get(unix.IFA_ADDRESS)
	}
	addr, _ := netip.AddrFromSlice(raw)
	return netip.PrefixFrom(addr, int(address.header[addressBits]))
}

func flagsOf(address message) uint32 {
	if address.get(unix.IFA_FLAGS) != nil {
		return address.number(unix.IFA_FLAGS)
	}
	return uint32(address.header[addressFlags])
}

func flagged(address message, flags uint32) message {
	out := address.with(unix.IFA_FLAGS, number(flags))
	out.header[addressFlags] = byte(flags)
	return out
}

// placed is an address on another device. Its label stays what it was, unless it
// was only the device's name.
func placed(address message, from, to device) message {
	out := address.without()
	binary.NativeEndian.PutUint32(out.header[addressIndex:], uint32(to.index))
	if label := address.text(unix.IFA_LABEL); label == from.name {
		out = out.with(unix.IFA_LABEL, text(to.name))
	}
	return flagged(out, flagsOf(address)&givenFlags)
}

// give puts an address, which placed made, on its device. Whether another has it
// was found out when the host got it: to ask again would make it useless for a
// second.
func (a addressing) give(address message) error {
	first := address
	if address.family() == unix.AF_INET6 {
		first = flagged(address, flagsOf(address)|unix.IFA_F_NODAD)
	}
	err := a.send(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, first, unix.EEXIST)
	if err == nil && flagsOf(first) != flagsOf(address) {
		err = a.send(unix.RTM_NEWADDR, unix.NLM_F_REPLACE, address)
	}
	if err != nil {
		return fmt.Errorf("add address %s: %w", prefixOf(address), err)
	}
	return nil
}

// giveAll puts addresses of one device on another as well. Of IPv6 the newest is
// the kernel's first, of IPv4 the last: sources are chosen by that order.
func (a addressing) giveAll(addresses []message, from, to device) error {
	inOrder := slices.Clone(addresses)
	if i := slices.IndexFunc(inOrder, func(a message) bool { return a.family() == unix.AF_INET6 }); i >= 0 {
		slices.Reverse(inOrder[i:])
	}
	for _, address := range inOrder {
		if err := a.give(placed(address, from, to)); err != nil {
			return fmt.Errorf("%s: %w", to.name, err)
		}
	}
	return nil
}

// take takes addresses from their device, secondaries before their primary, which
// would take them along.
func (a addressing) take(addresses []message) error {
	for _, address := range slices.Backward(addresses) {
		if err := a.send(unix.RTM_DELADDR, 0, address, unix.EADDRNOTAVAIL); err != nil {
			return fmt.Errorf("delete address %s: %w", prefixOf(address), err)
		}
	}
	return nil
}

// global are the addresses of a device that are more than its own link's.
func (a addressing) global(on device) (out []message, err error) {
	if !on.there() {
		return nil, nil
	}
	all, err := a.addresses(on)
	for _, address := range all {
		if isGlobal(address) {
			out = append(out, address)
		}
	}
	return out, err
}

func isOfLink(address message) bool { return address.family() == unix.AF_INET6 && !isGlobal(address) }

func isGlobal(address message) bool { return address.header[addressScope] == unix.RT_SCOPE_UNIVERSE }
