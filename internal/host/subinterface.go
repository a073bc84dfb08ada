package host

import (
	"strconv"
	"strings"
)

// ActionVLAN makes the NIC, which is a VLAN sub-interface of another one, and sets it
// up. Undone, it is deleted, unless the host uses it by now.
const ActionVLAN Action = "vlan"

// SubInterface reads a name like "eth0.100": that of the NIC below, and the VLAN.
func SubInterface(name string) (below string, vlan int, ok bool) {
	i := strings.LastIndexByte(name, '.')
	if i < 1 {
		return "", 0, false
	}
	vlan, err := strconv.Atoi(name[i+1:])
	plain := err == nil && strconv.Itoa(vlan) == name[i+1:]
	return name[:i], vlan, plain && vlan >= 1 && vlan <= 4094
}

// MadeFor is the alias of a VLAN sub-interface that was made for a provider network,
// by us or by a Kube-OVN.
func MadeFor(provider string) string { return "kube-ovn:" + provider }

// Awaited is a VLAN sub-interface as it will be once it is made for a provider
// network. It is not ok without a NIC below it.
func (s Snapshot) Awaited(provider, name string) (link Link, ok bool) {
	parent, _, ok := SubInterface(name)
	below, found := s.Link(parent)
	return Link{
		Name: name, Kind: "vlan", Parent: parent, MAC: below.MAC, MTU: below.MTU,
		Alias: MadeFor(provider), Up: true, Carrier: below.Carrier,
	}, ok && found
}
