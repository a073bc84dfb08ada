package kernel

import (
	"context"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hawser/internal/host"
)

// Snapshot reads what plans depend on.
func (c *Client) Snapshot(ctx context.Context) (host.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return host.Snapshot{}, err
	}
	links, err := dump(c.handle.LinkList)
	if err != nil {
		return host.Snapshot{}, fmt.Errorf("list links: %w", err)
	}
	names := make(map[int]string, len(links))
	for _, link := range links {
		names[link.Attrs().Index] = link.Attrs().Name
	}
	snapshot := host.Snapshot{Links: make([]host.Link, 0, len(links))}
	for _, link := range links {
		snapshot.Links = append(snapshot.Links, describe(link, names))
	}
	if snapshot.Addresses, err = listAddresses(c.handle, names); err != nil {
		return host.Snapshot{}, err
	}
	if snapshot.Leased, err = chooseAddresses(c.handle, names, leased); err != nil {
		return host.Snapshot{}, err
	}
	snapshot.Forwards6 = readSysctl("net/ipv6/conf/all/forwarding") == "1"
	snapshot.Advertised, err = c.advertised(names)
	return snapshot, err
}

func describe(link netlink.Link, names map[int]string) host.Link {
	attrs := link.Attrs()
	out := host.Link{
		Name: attrs.Name, Alias: attrs.Alias, MAC: macOf(link), MTU: attrs.MTU,
		Up:       attrs.RawFlags&unix.IFF_UP != 0,
		Deaf:     attrs.Group == host.DeafGroup,
		NoARP:    attrs.RawFlags&unix.IFF_NOARP != 0,
		Loopback: attrs.RawFlags&unix.IFF_LOOPBACK != 0,
		Index:    attrs.Index,
		Master:   names[attrs.MasterIndex],
		Carrier:  attrs.RawFlags&unix.IFF_LOWER_UP != 0,
		Promisc:  attrs.RawFlags&unix.IFF_PROMISC != 0,
	}
	if kind := link.Type(); kind != "device" {
		out.Kind = kind
	}
	// The other end of a veth pair, and a device in another network namespace,
	// is told in the same way and is not below this one.
	if attrs.NetNsID < 0 && out.Kind != "veth" {
		out.Parent = names[attrs.ParentIndex]
	}
	return out
}

// listAddresses reads the addresses of all links that names knows, those of
// link-local and host scope left out.
func listAddresses(handle *netlink.Handle, names map[int]string) ([]host.Address, error) {
	return chooseAddresses(handle, names, func(netlink.Addr) bool { return true })
}

// leased tells whether an address has a lifetime.
func leased(addr netlink.Addr) bool { return addr.Flags&unix.IFA_F_PERMANENT == 0 }

func chooseAddresses(handle *netlink.Handle, names map[int]string, choose func(netlink.Addr) bool) ([]host.Address, error) {
	found, err := dump(func() ([]netlink.Addr, error) { return handle.AddrList(nil, unix.AF_UNSPEC) })
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	var out []host.Address
	for _, addr := range found {
		name, known := names[addr.LinkIndex]
		prefix, ok := asPrefix(addr.IPNet)
		if known && ok && addr.Scope == unix.RT_SCOPE_UNIVERSE && choose(addr) {
			out = append(out, host.Address{Link: name, Prefix: prefix})
		}
	}
	return out, nil
}

// advertised names the links whose default route came from a router
// advertisement; switching IPv6 forwarding on would make them lose it.
func (c *Client) advertised(names map[int]string) ([]string, error) {
	routes, err := c.routes.list(unix.RT_TABLE_MAIN, unix.RTPROT_RA)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, route := range routes {
		if route.destination.Bits() == 0 {
			out = append(out, names[route.linkIndex])
		}
	}
	return out, nil
}
