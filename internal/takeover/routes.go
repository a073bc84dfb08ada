package takeover

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// Places in the header of a route: struct rtmsg.
const (
	routeBits     = 1
	routeTable    = 4
	routeProtocol = 5
	routeType     = 7
	routeFlags    = 8
)

// A hop of several begins with its length, flags, weight and device: struct
// rtnexthop.
const (
	hopFlags  = 2
	hopWeight = 3
	hopIndex  = 4
	hopHeader = unix.SizeofRtNexthop
)

// givenHopFlags are those that a program may give a hop; the kernel decides on the
// others.
const givenHopFlags = unix.RTNH_F_PERVASIVE | unix.RTNH_F_ONLINK

// routing reads routes and leads them by other devices.
type routing struct{ *door }

// routes are those by a device, of all tables. What the kernel makes of addresses
// in its local table is theirs, and goes with them.
func (r routing) routes(by device) ([]message, error) {
	var out []message
	for _, family := range families {
		question := message{header: make([]byte, routeHeader)}
		question.header[0] = family
		found, err := r.dump(unix.RTM_GETROUTE, unix.RTM_NEWROUTE, question.with(unix.RTA_OIF, number(uint32(by.index))))
		if err != nil {
			return nil, fmt.Errorf("list routes by %s: %w", by.name, err)
		}
		for _, route := range found {
			if moves(route) {
				out = append(out, alone(route, by)...)
			}
		}
	}
	return out, nil
}

func moves(route message) bool {
	flags := binary.NativeEndian.Uint32(route.header[routeFlags:])
	kernels := route.header[routeProtocol] == unix.RTPROT_KERNEL && tableOf(route) == unix.RT_TABLE_LOCAL
	return flags&unix.RTM_F_CLONED == 0 && !kernels
}

func tableOf(route message) int {
	if table := route.number(unix.RTA_TABLE); table != 0 {
		return int(table)
	}
	return int(route.header[routeTable])
}

// alone splits an ECMP route of IPv6, whose hops come and go one by one, and leaves
// out those by other devices. Of IPv4 all hops are one route.
func alone(route message, by device) []message {
	hops := hopsOf(route)
	if route.family() != unix.AF_INET6 || len(hops) == 0 {
		return []message{route}
	}
	var out []message
	for _, hop := range hops {
		if binary.NativeEndian.Uint32(hop[hopIndex:]) == uint32(by.index) {
			out = append(out, route.with(unix.RTA_MULTIPATH, hop))
		}
	}
	return out
}

// hopsOf are the hops of a route that has several.
func hopsOf(route message) (hops [][]byte) {
	for rest := route.get(unix.RTA_MULTIPATH); len(rest) >= hopHeader; {
		length := int(binary.NativeEndian.Uint16(rest))
		if length < hopHeader || length > len(rest) {
			return hops
		}
		hops = append(hops, slices.Clone(rest[:length]))
		rest = rest[min(aligned(length), len(rest)):]
	}
	return hops
}

// led is a route by another device, or by the same, without what the kernel adds
// to it when it tells of it.
func led(route message, from, to device) message {
	out := route.without(unix.RTA_CACHEINFO, unix.RTA_EXPIRES)
	flags := binary.NativeEndian.Uint32(out.header[routeFlags:])
	binary.NativeEndian.PutUint32(out.header[routeFlags:], flags&givenHopFlags)
	if route.get(unix.RTA_OIF) != nil && route.number(unix.RTA_OIF) == uint32(from.index) {
		out = out.with(unix.RTA_OIF, number(uint32(to.index)))
	}
	var several []byte
	for _, hop := range hopsOf(route) {
		hop[hopFlags] &= givenHopFlags
		if binary.NativeEndian.Uint32(hop[hopIndex:]) == uint32(from.index) {
			binary.NativeEndian.PutUint32(hop[hopIndex:], uint32(to.index))
		}
		several = append(several, append(hop, make([]byte, aligned(len(hop))-len(hop))...)...)
	}
	if several != nil {
		out = out.with(unix.RTA_MULTIPATH, several)
	}
	return out
}

// attributeObject is RTA_NH_ID, the number of a nexthop object.
const attributeObject = 30

// reroute leads routes by one device through another: each is added behind the old
// one first, and takes effect when that is deleted.
func (r routing) reroute(routes []message, from, to device) error {
	if err := r.add(routes, from, to); err != nil {
		return err
	}
	for _, route := range routes {
		if err := r.send(unix.RTM_DELROUTE, 0, led(route, from, from), unix.ESRCH); err != nil {
			return fmt.Errorf("delete route %s by %s: %w", destinationOf(route), from.name, err)
		}
	}
	return nil
}

// add adds routes by one device as routes by another. Those to the link come
// before those to gateways there.
func (r routing) add(routes []message, from, to device) error {
	slices.SortStableFunc(routes, func(a, b message) int { return gateways(a) - gateways(b) })
	for _, route := range routes {
		if object := route.number(attributeObject); object != 0 {
			return fmt.Errorf("route %s is by nexthop object %d, which is not moved: give it plain hops (ip-route(8)), or use attachment Shared", destinationOf(route), object)
		}
		if err := r.send(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_APPEND, led(route, from, to), unix.EEXIST); err != nil {
			return fmt.Errorf("add route %s by %s: %w", destinationOf(route), to.name, err)
		}
	}
	return nil
}

// gateways is 1 for a route that has any.
func gateways(route message) int {
	if route.get(unix.RTA_GATEWAY) != nil || route.get(unix.RTA_VIA) != nil || route.get(unix.RTA_MULTIPATH) != nil {
		return 1
	}
	return 0
}

// leaders are the gateways of the default routes of all tables.
func (r routing) leaders(by device) ([]netip.Addr, error) {
	routes, err := r.routes(by)
	if err != nil {
		return nil, err
	}
	var out []netip.Addr
	for _, route := range routes {
		if route.header[routeBits] != 0 {
			continue
		}
		for _, hop := range readHops(route, nil) {
			if hop.index == by.index && hop.Gateway.IsValid() {
				out = append(out, hop.Gateway)
			}
		}
	}
	return out, nil
}
