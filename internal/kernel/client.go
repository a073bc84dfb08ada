package kernel

import (
	"context"
	"fmt"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hawser/internal/host"
)

// Client speaks for one network namespace, the one it was opened in.
type Client struct {
	handle  *netlink.Handle
	routes  *routeReader
	watcher *watcher
	writing sync.Mutex // one Make or Apply at a time
}

// Open takes the netlink sockets. It needs CAP_NET_ADMIN.
func Open() (*Client, error) {
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	routes, err := newRouteReader()
	if err != nil {
		handle.Close()
		return nil, fmt.Errorf("open a netlink socket for routes: %w", err)
	}
	watcher, err := watch(matters)
	if err != nil {
		handle.Close()
		routes.close()
		return nil, fmt.Errorf("subscribe to changes of links, addresses and routes: %w", err)
	}
	return &Client{handle: handle, routes: routes, watcher: watcher}, nil
}

// Close gives the sockets back and ends the subscription.
func (c *Client) Close() {
	c.watcher.close()
	c.routes.close()
	c.handle.Close()
}

// Changed gives one hint for any number of changes of links, addresses or
// routes of ours since the last one was taken. A hint may be about what this
// client did itself, or about nothing: it says "look again".
func (c *Client) Changed() <-chan struct{} { return c.watcher.hints }

// Make creates the links that are ours to make, and leaves new ones down, so
// that they can be isolated before the first frame. Those of ours that are not
// wanted are deleted.
func (c *Client) Make(ctx context.Context, want []host.Link) (changed int, err error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	work, err := c.begin(ctx)
	if err != nil {
		return 0, err
	}
	work.makeLinks(want)
	return work.result()
}

// Apply brings our devices, addresses, routes and settings to what is wanted,
// and counts what it had to change. What fails does not stop the rest; a device
// that somebody else has to make (Open vSwitch makes ovn0 and br-encap) is
// reported as host.ErrMissing, and Changed tells when it appears.
func (c *Client) Apply(ctx context.Context, want host.Network) (changed int, err error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	work, err := c.begin(ctx)
	if err != nil {
		return 0, err
	}
	work.makeLinks(want.Links)
	work.setSysctls(want.Sysctls)
	work.setLinks(want.Links)
	work.setAddresses(want.Addresses)
	work.setRoutes(want.Routes)
	work.setDetours(want.Detours)
	return work.result()
}
