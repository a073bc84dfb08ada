package host

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
)

// MAC is an EUI-48 address. It is an array, so that it compares and serves as
// a map key; the zero value means "none".
type MAC [6]byte

// ParseMAC reads the colon-separated form, in either case of letters.
func ParseMAC(text string) (MAC, error) {
	var mac MAC
	raw, err := hex.DecodeString(strings.ReplaceAll(text, ":", ""))
	if err != nil || len(raw) != len(mac) || len(text) != 17 {
		return MAC{}, fmt.Errorf("%q is not a MAC address such as 0a:00:00:00:00:01", text)
	}
	copy(mac[:], raw)
	return mac, nil
}

// String gives the lower-case, colon-separated form that OVN, the kernel and
// the annotations of pods share.
func (m MAC) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

// IsZero tells whether no address is set.
func (m MAC) IsZero() bool { return m == MAC{} }

// IsUnicast is false for group addresses (IEEE 802, the I/G bit), which no
// interface may carry.
func (m MAC) IsUnicast() bool { return m[0]&1 == 0 }

// LinkLocal is the IPv6 address that an interface with this MAC gives itself
// (RFC 4291, appendix A).
func (m MAC) LinkLocal() netip.Addr {
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 8: m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]})
}
