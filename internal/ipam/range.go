package ipam

import (
	"fmt"
	"math/big"
	"net/netip"
	"strings"
)

// Range is the addresses from First to Last, both included, of one family.
type Range struct{ First, Last netip.Addr }

// ParseRange reads "10.16.0.1" or "10.16.0.1..10.16.0.9", either family, the
// form of Subnet.spec.excludeIps.
func ParseRange(text string) (Range, error) {
	from, to, isRange := strings.Cut(text, "..")
	if !isRange {
		to = from
	}
	first, err := parseAddr(from)
	if err != nil {
		return Range{}, err
	}
	last, err := parseAddr(to)
	if err != nil {
		return Range{}, err
	}
	if first.BitLen() != last.BitLen() || last.Less(first) {
		return Range{}, fmt.Errorf("range %q does not run upwards within one family", text)
	}
	return Range{first, last}, nil
}

// parseAddr takes no zone and no IPv4 in IPv6 clothes: neither names an
// address of a subnet.
func parseAddr(text string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(strings.TrimSpace(text))
	if err != nil || addr.Zone() != "" || addr.Is4In6() {
		return netip.Addr{}, fmt.Errorf("%q is not an IP address", text)
	}
	return addr, nil
}

// RangeOf returns all addresses of a prefix.
func RangeOf(prefix netip.Prefix) Range {
	last := prefix.Masked().Addr().AsSlice()
	for bit := prefix.Bits(); bit < len(last)*8; bit++ {
		last[bit/8] |= 0x80 >> (bit % 8)
	}
	addr, _ := netip.AddrFromSlice(last)
	return Range{prefix.Masked().Addr(), addr}
}

// Size counts the addresses.
func (r Range) Size() *big.Int {
	first := new(big.Int).SetBytes(r.First.AsSlice())
	last := new(big.Int).SetBytes(r.Last.AsSlice())
	return last.Sub(last, first).Add(last, big.NewInt(1))
}

// String is the form of a Subnet's status, "10.16.0.4-10.16.0.9".
func (r Range) String() string {
	if r.First == r.Last {
		return r.First.String()
	}
	return r.First.String() + "-" + r.Last.String()
}

func single(addr netip.Addr) Range { return Range{addr, addr} }
