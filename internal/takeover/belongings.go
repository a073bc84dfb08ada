package takeover

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"hawser/internal/host"
	"hawser/internal/takeover/vrrp"
)

// Belongings are what a NIC has, for plans. A NIC that is not there has nothing.
func (c *Client) Belongings(ctx context.Context, nic string) (out host.Belongings, err error) {
	if err := ctx.Err(); err != nil {
		return out, err
	}
	links, err := c.handle.LinkList()
	if err != nil {
		return out, fmt.Errorf("list links: %w", err)
	}
	names, on := map[int]string{}, device{}
	for _, link := range links {
		names[link.Attrs().Index] = link.Attrs().Name
		if link.Attrs().Name == nic {
			on = deviceOf(link)
		}
	}
	if !on.there() {
		return out, nil
	}
	has, err := c.mover.goods(on)
	if err != nil {
		return out, err
	}
	if out, err = describe(has, on, names); err == nil {
		out.VRRP, err = vrrp.Listens(on.index)
	}
	return out, err
}

func describe(has goods, on device, names map[int]string) (out host.Belongings, err error) {
	for _, address := range has.addresses {
		out.Addresses = append(out.Addresses, readAddress(address, on))
	}
	for _, route := range has.routes {
		if route.header[routeProtocol] != unix.RTPROT_KERNEL {
			out.Routes = append(out.Routes, readRoute(route, names))
		}
	}
	for _, rule := range has.rules {
		out.Rules = append(out.Rules, readRule(rule))
	}
	for _, neighbour := range has.neighbours {
		if isProxy(neighbour) || isFixed(neighbour) {
			out.Neighbours = append(out.Neighbours, readNeighbour(neighbour))
		}
	}
	out.Settings, err = ownSettings(on.name)
	return out, err
}

// ownSettings are those that differ from a new device's.
func ownSettings(of string) (out []host.Sysctl, err error) {
	all, err := settings(of)
	for _, setting := range all {
		if read(fmt.Sprintf(setting.Key, ofDefault)) != setting.Value {
			out = append(out, host.Sysctl{Key: fmt.Sprintf(setting.Key, of), Value: setting.Value})
		}
	}
	return out, err
}

func readAddress(address message, on device) host.HeldAddress {
	out := host.HeldAddress{
		Prefix:    prefixOf(address),
		Secondary: address.family() == unix.AF_INET && flagsOf(address)&unix.IFA_F_SECONDARY != 0,
		LinkLocal: address.header[addressScope] == unix.RT_SCOPE_LINK,
		Leased:    flagsOf(address)&unix.IFA_F_PERMANENT == 0,
	}
	if label := address.text(unix.IFA_LABEL); label != on.name {
		out.Label = label
	}
	return out
}

func readRoute(route message, names map[int]string) host.HeldRoute {
	out := host.HeldRoute{
		Prefix: destinationOf(route), Table: tableOf(route), Metric: int(route.number(unix.RTA_PRIORITY)),
		Protocol: int(route.header[routeProtocol]), Object: int(route.number(attributeObject)),
	}
	out.Source, _ = netip.AddrFromSlice(route.get(unix.RTA_PREFSRC))
	for _, hop := range readHops(route, names) {
		out.Hops = append(out.Hops, hop.Hop)
	}
	return out
}

func destinationOf(route message) netip.Prefix {
	addr, ok := netip.AddrFromSlice(route.get(unix.RTA_DST))
	if !ok {
		addr = netip.IPv4Unspecified()
		if route.family() == unix.AF_INET6 {
			addr = netip.IPv6Unspecified()
		}
	}
	return netip.PrefixFrom(addr, int(route.header[routeBits]))
}

// hop is a way out of a route, and its device's number.
type hop struct {
	host.Hop
	index int
}

func readHops(route message, names map[int]string) (out []hop) {
	for _, raw := range hopsOf(route) {
		attributes, err := parseAttributes(raw[hopHeader:])
		if err != nil {
			continue
		}
		index := int(binary.NativeEndian.Uint32(raw[hopIndex:]))
		out = append(out, hopBy(message{attributes: attributes}, index, raw[hopFlags], names))
		out[len(out)-1].Weight = int(raw[hopWeight]) + 1
	}
	if out == nil {
		flags := binary.NativeEndian.Uint32(route.header[routeFlags:])
		out = append(out, hopBy(route, int(route.number(unix.RTA_OIF)), byte(flags), names))
	}
	return out
}

func hopBy(said message, index int, flags byte, names map[int]string) hop {
	out := hop{index: index, Hop: host.Hop{Link: names[index], Onlink: flags&unix.RTNH_F_ONLINK != 0}}
	out.Gateway, _ = netip.AddrFromSlice(said.get(unix.RTA_GATEWAY))
	if via := said.get(unix.RTA_VIA); len(via) > 2 {
		out.Gateway, _ = netip.AddrFromSlice(via[2:]) // an IPv6 gateway of an IPv4 route, after its family
	}
	return out
}

func readRule(rule message) host.HeldRule {
	table := int(rule.number(attributeTable))
	if table == 0 {
		table = int(rule.header[ruleTable])
	}
	return host.HeldRule{
		Priority: int(rule.number(attributePriority)), In: rule.text(attributeIn), Out: rule.text(attributeOut),
		Table: table, IPv6: rule.family() == unix.AF_INET6,
	}
}

func readNeighbour(neighbour message) host.HeldNeighbour {
	out := host.HeldNeighbour{Address: ipOf(neighbour), Proxy: isProxy(neighbour)}
	copy(out.MAC[:], neighbour.get(unix.NDA_LLADDR))
	return out
}
