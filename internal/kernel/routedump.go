package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// routeReader lists routes of one protocol only. The filter works in the kernel
// (NETLINK_GET_STRICT_CHK, Linux 4.20), because a router's main table may hold a
// million routes of others.
type routeReader struct {
	socket *nl.SocketHandle
}

// foundRoute is a route as the kernel tells it.
type foundRoute struct {
	destination netip.Prefix
	gateway     netip.Addr
	source      netip.Addr
	linkIndex   int
}

func newRouteReader() (*routeReader, error) {
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	if err := unix.SetsockoptInt(socket.GetFd(), unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1); err != nil {
		socket.Close()
		return nil, fmt.Errorf("ask for filtered dumps: %w", err)
	}
	return &routeReader{socket: &nl.SocketHandle{Socket: socket}}, nil
}

func (r *routeReader) close() { r.socket.Socket.Close() }

// list reads the routes of a protocol in a table, of both families. A table that
// never had a route is not there.
func (r *routeReader) list(table uint8, protocol int) ([]foundRoute, error) {
	var out []foundRoute
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		found, err := dump(func() ([]foundRoute, error) { return r.listFamily(family, table, protocol) })
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list routes of protocol %d: %w", protocol, err)
		}
		out = append(out, found...)
	}
	return out, nil
}

func (r *routeReader) listFamily(family, table uint8, protocol int) ([]foundRoute, error) {
	request := nl.NewNetlinkRequest(unix.RTM_GETROUTE, unix.NLM_F_DUMP)
	request.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: r.socket}
	request.AddData(&nl.RtMsg{RtMsg: unix.RtMsg{Family: family, Table: table, Protocol: uint8(protocol)}})
	messages, err := request.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWROUTE)
	if err != nil {
		return nil, err
	}
	var out []foundRoute
	for _, message := range messages {
		route, err := parseRoute(message)
		if err != nil {
			return nil, err
		}
		out = append(out, route)
	}
	return out, nil
}

// parseRoute reads a message of rtnetlink(7). The kernel leaves out the
// destination of a default route.
func parseRoute(message []byte) (foundRoute, error) {
	header := nl.DeserializeRtMsg(message)
	attributes, err := nl.ParseRouteAttr(message[header.Len():])
	if err != nil {
		return foundRoute{}, fmt.Errorf("read a route: %w", err)
	}
	route := foundRoute{}
	network := netip.IPv4Unspecified()
	if header.Family == unix.AF_INET6 {
		network = netip.IPv6Unspecified()
	}
	for _, attribute := range attributes {
		switch attribute.Attr.Type {
		case unix.RTA_DST:
			network = asIP(attribute.Value)
		case unix.RTA_GATEWAY:
			route.gateway = asIP(attribute.Value)
		case unix.RTA_PREFSRC:
			route.source = asIP(attribute.Value)
		case unix.RTA_OIF:
			route.linkIndex = linkIndex(attribute)
		}
	}
	route.destination = netip.PrefixFrom(network, int(header.Dst_len))
	return route, nil
}

func linkIndex(attribute syscall.NetlinkRouteAttr) int {
	if len(attribute.Value) < 4 {
		return 0
	}
	return int(nl.NativeEndian().Uint32(attribute.Value))
}

func asIP(raw []byte) netip.Addr {
	addr, _ := netip.AddrFromSlice(raw)
	return addr
}
