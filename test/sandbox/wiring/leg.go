package wiring

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// ParseLeg reads a router's side, as a user writes it: LAN, LAN:VLAN, and
// either with "=" and addresses with their networks' lengths, by commas. The
// machine and the interface are left to the caller.
func ParseLeg(text string) (NIC, error) {
	place, addresses, _ := strings.Cut(text, "=")
	lan, vlan, tagged := strings.Cut(place, ":")
	leg := NIC{LAN: lan, Access: true}
	if tagged {
		id, err := strconv.Atoi(vlan)
		if err != nil || id < 1 || id > 4094 {
			return leg, fmt.Errorf("%q: the VLAN is a number from 1 to 4094: give LAN[:VLAN][=CIDR,…]", text)
		}
		leg.VLAN = id
	}
	for _, part := range strings.FieldsFunc(addresses, func(r rune) bool { return r == ',' }) {
		prefix, err := netip.ParsePrefix(part)
		if err != nil {
			return leg, fmt.Errorf("%q: %w: give LAN[:VLAN][=CIDR,…]", text, err)
		}
		leg.Addresses = append(leg.Addresses, prefix)
	}
	return leg, nil
}
