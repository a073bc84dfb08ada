package uplink

import (
	"fmt"
	"net/netip"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Protocols of routes that are asked for. A routing daemon's are left out: on a
// router they may be a million, and its next hops are known by what they send.
var routeProtocols = []uint8{unix.RTPROT_BOOT, unix.RTPROT_STATIC, unix.RTPROT_RA, unix.RTPROT_DHCP}

// listGateways are the next hops by a device, of all tables.
func listGateways(device int) (map[netip.Addr]bool, error) {
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket for routes: %w", err)
	}
	defer socket.Close()
	// The filter works in the kernel since Linux 4.20; an older one sends all.
	_ = unix.SetsockoptInt(socket.GetFd(), unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1)
	found := map[netip.Addr]bool{}
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		for _, protocol := range routeProtocols {
			routes, err := dump(func() ([][]byte, error) { return dumpRoutes(socket, family, protocol) })
			if err != nil {
				return nil, fmt.Errorf("list routes of protocol %d: %w", protocol, err)
			}
			for _, route := range routes {
				collectGateways(route, device, found)
			}
		}
	}
	return found, nil
}

func dumpRoutes(socket *nl.NetlinkSocket, family, protocol uint8) ([][]byte, error) {
	request := nl.NewNetlinkRequest(unix.RTM_GETROUTE, unix.NLM_F_DUMP)
	request.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: {Socket: socket}}
	request.AddData(&nl.RtMsg{RtMsg: unix.RtMsg{Family: family, Protocol: protocol}})
	return request.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWROUTE)
}

// collectGateways reads a message of rtnetlink(7). A route with several next hops
// has a list of them, each with attributes of its own.
func collectGateways(message []byte, device int, into map[netip.Addr]bool) {
	attributes, err := nl.ParseRouteAttr(message[unix.SizeofRtMsg:])
	if err != nil {
		return
	}
	if numberOf(attributes, unix.RTA_OIF) == device {
		addGateway(attributes, into)
	}
	for _, attribute := range attributes {
		if attribute.Attr.Type == unix.RTA_MULTIPATH {
			collectHops(attribute.Value, device, into)
		}
	}
}

// collectHops reads a list of struct rtnexthop: a length of 16 bits, flags and
// weight, the device's index, and attributes up to the length.
func collectHops(list []byte, device int, into map[netip.Addr]bool) {
	for len(list) >= unix.SizeofRtNexthop {
		length := int(nl.NativeEndian().Uint16(list))
		if length < unix.SizeofRtNexthop || length > len(list) {
			return
		}
		attributes, err := nl.ParseRouteAttr(list[unix.SizeofRtNexthop:length])
		if err == nil && int(nl.NativeEndian().Uint32(list[4:])) == device {
			addGateway(attributes, into)
		}
		list = list[min(len(list), (length+3)&^3):]
	}
}

// addGateway takes the address of RTA_GATEWAY, or of RTA_VIA behind two bytes for
// its family.
func addGateway(attributes []syscall.NetlinkRouteAttr, into map[netip.Addr]bool) {
	for _, attribute := range attributes {
		raw := attribute.Value
		if attribute.Attr.Type == unix.RTA_VIA && len(raw) > 2 {
			raw = raw[2:]
		} else if attribute.Attr.Type != unix.RTA_GATEWAY {
			continue
		}
		if ip, ok := netip.AddrFromSlice(raw); ok {
			into[ip.Unmap()] = true
		}
	}
}

func numberOf(attributes []syscall.NetlinkRouteAttr, kind uint16) int {
	for _, attribute := range attributes {
		if attribute.Attr.Type == kind && len(attribute.Value) >= 4 {
			return int(nl.NativeEndian().Uint32(attribute.Value))
		}
	}
	return 0
}
