package overlay

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"

	"hawser/internal/host"
	"hawser/internal/plan"
)

// userspaceTunnel ends at an address on a bridge of its own: ovs-vswitchd finds
// no tunnel route to an address on a plain NIC, and the node's address must not
// depend on ovs-vswitchd (docs/decisions/0004).
func userspaceTunnel(in Input, leg leg, end endpoint) (tunnel, *plan.Problem) {
	address, problem := encapAddress(in, leg)
	if problem != nil {
		return tunnel{}, problem
	}
	link := host.Link{
		Name: host.EncapLink, Kind: host.KindMacvlan, Parent: end.nic.Name,
		MAC: encapMAC(end.nic.MAC), MTU: end.nic.MTU, NoARP: true, Deaf: true, Up: true,
	}
	desired := encapBridge(in.Host, link, []host.Address{{Link: host.EncapBridge, Prefix: address}})
	desired.ExternalIDs = encapIDs(in, address.Addr())
	return tunnel{desired: desired, podMTU: podMTU(in, end.nic.MTU, address.Addr())}, nil
}

// encapBridge wants the bridge, its one port and its address. The bridge has
// the MAC of the macvlan, which passes no unicast frame to another.
//
// The port is wanted only while the device is there, as it should be. So a
// device that is made anew has its port taken away and, when its coming is told,
// given back: ovs-vswitchd would go on to listen to the old one, which is gone.
func encapBridge(snapshot host.Snapshot, link host.Link, addresses []host.Address) host.Desired {
	var ports []host.BridgePort
	if have, ok := snapshot.Link(link.Name); ok && have.Kind == link.Kind && have.Parent == link.Parent && have.MAC == link.MAC {
		ports = append(ports, host.BridgePort{Bridge: host.EncapBridge, Name: link.Name})
	}
	return host.Desired{
		Confined: addresses,
		Switching: host.Switching{
			Bridges: []host.Bridge{{Name: host.EncapBridge, DatapathType: "netdev", FailMode: "standalone", MAC: link.MAC}},
			Ports:   ports,
		},
		Network: host.Network{
			Links:     []host.Link{link, {Name: host.EncapBridge, Up: true}},
			Addresses: addresses,
			Sysctls:   append(encapSysctls(addresses), quiet(host.EncapBridge)...),
		},
	}
}

// encapSysctls keep the LAN's IPv6 away from both devices: the bridge hears its
// router advertisements too, and must not take a second default route from them.
func encapSysctls(addresses []host.Address) []host.Sysctl {
	off := func(link string) host.Sysctl {
		return host.Sysctl{Key: "net/ipv6/conf/" + link + "/disable_ipv6", Value: "1"}
	}
	if len(addresses) > 0 && addresses[0].Prefix.Addr().Is6() {
		return []host.Sysctl{off(host.EncapLink), {Key: "net/ipv6/conf/" + host.EncapBridge + "/accept_ra", Value: "0"}}
	}
	return []host.Sysctl{off(host.EncapLink), off(host.EncapBridge)}
}

// encapAddress is the encapsulation range's network plus the offset of the
// node's join address: as unique as that is, and never stored.
func encapAddress(in Input, leg leg) (netip.Prefix, *plan.Problem) {
	encap := in.Options.EncapCIDR.Masked()
	unusable := func(format string, args ...any) (netip.Prefix, *plan.Problem) {
		return netip.Prefix{}, problemf(in.Node, EncapAddressUnusable, format, args...)
	}
	if !encap.IsValid() {
		return unusable("the userspace datapath needs --encap-cidr, a range that is unused in the LAN")
	}
	if have, taken := overlapping(in.Host, encap); taken {
		return unusable("--encap-cidr %s overlaps address %s of %s: choose a range that is unused in the LAN", encap, have.Prefix, have.Link)
	}
	join := leg.networks[0].address
	address := plus(encap.Addr(), offset(join))
	if !encap.Contains(address) {
		return unusable("--encap-cidr %s is too small for ovn0's address %s: it has to be as large as the join subnet", encap, join)
	}
	return netip.PrefixFrom(address, encap.Bits()), nil
}

func overlapping(snapshot host.Snapshot, encap netip.Prefix) (host.Address, bool) {
	for _, have := range snapshot.Addresses {
		if have.Link != host.EncapBridge && have.Prefix.Overlaps(encap) {
			return have, true
		}
	}
	return host.Address{}, false
}

// offset is the place of an address in its network, as far as 64 bits tell;
// join subnets are never larger.
func offset(address netip.Prefix) uint64 {
	return low(address.Addr()) - low(address.Masked().Addr())
}

func low(address netip.Addr) uint64 {
	bytes := address.As16()
	return binary.BigEndian.Uint64(bytes[8:])
}

func plus(address netip.Addr, offset uint64) netip.Addr {
	bytes := address.As16()
	binary.BigEndian.PutUint64(bytes[8:], low(address)+offset)
	out := netip.AddrFrom16(bytes)
	if address.Is4() {
		return out.Unmap()
	}
	return out
}

// encapMAC derives the macvlan's address from the NIC's, so that it stays the
// same when the macvlan is made anew.
func encapMAC(nic host.MAC) (mac host.MAC) {
	sum := sha256.Sum256(append([]byte("encap"), nic[:]...))
	copy(mac[:], sum[:])
	mac[0] = mac[0]&^1 | 2 // unicast, locally administered (IEEE 802)
	return mac
}

// keepTunnel wants of the tunnel what is there. Where tunnels end is unknown
// then, and what pods still reach must not be taken from them.
func keepTunnel(in Input) tunnel {
	link, made := in.Host.Link(host.EncapLink)
	if !in.Userspace || !made {
		return tunnel{}
	}
	link.NoARP, link.Deaf, link.Up = true, true, true
	var addresses []host.Address
	for _, address := range in.Host.Addresses {
		if address.Link == host.EncapBridge {
			addresses = append(addresses, address)
		}
	}
	return tunnel{desired: encapBridge(in.Host, link, addresses)}
}
