package netfilter

import (
	"context"
	"fmt"
	"net"
	"sync"

	"golang.org/x/sys/unix"
	"sigs.k8s.io/knftables"

	"hawser/internal/host"
)

// table is the name of all our tables. Tables of that name are ours alone, so one
// that looks otherwise than we left it is brought back.
const table = "kube-ovn"

// Client keeps the tables of one network namespace, the one it was opened in.
type Client struct {
	masquerade  *keeper
	confinement *keeper
	isolation   *isolation
	watcher     *watcher
}

// Open looks for the nft program, version 1.0.1 or later. It needs
// CAP_NET_ADMIN. A kernel may be built without the arp or netdev family; that is
// an error only for who asks for what they do.
func Open() (*Client, error) {
	inet, err := knftables.New(knftables.InetFamily, table)
	if err != nil {
		return nil, fmt.Errorf("open nftables: %w", err)
	}
	watcher, err := watch()
	if err != nil {
		return nil, fmt.Errorf("subscribe to changes of nftables: %w", err)
	}
	arp, noARP := knftables.New(knftables.ARPFamily, table)
	netdev, noNetdev := knftables.New(knftables.NetDevFamily, table)
	c := newClient(inet, arp, netdev, kernelIndex)
	c.confinement.lacks, c.isolation.lacks = noARP, noNetdev
	c.watcher = watcher
	go watcher.run(c.forget)
	return c, nil
}

// newClient is Open without the kernel.
func newClient(inet, arp, netdev knftables.Interface, index indexer) *Client {
	return &Client{
		masquerade:  &keeper{nft: inet, chain: masqueradeChain, sets: sets()},
		confinement: &keeper{nft: arp, chain: confineChain},
		isolation:   &isolation{nft: netdev, index: index},
	}
}

// Close ends the subscription. The tables stay: running pods need them.
func (c *Client) Close() { c.watcher.close() }

// Changed gives a hint when somebody else changed or deleted one of our tables,
// as `nft flush ruleset` does. The next Apply and Isolate then read anew what is
// there. A hint may be about a change of our own: it says "look again".
func (c *Client) Changed() <-chan struct{} { return c.watcher.hints }

// forget drops what is known of the tables of some families.
func (c *Client) forget(families ...uint8) {
	for _, family := range families {
		switch family {
		case unix.NFPROTO_INET:
			c.masquerade.forget()
		case unix.NFPROTO_ARP:
			c.confinement.forget()
		case unix.NFPROTO_NETDEV:
			c.isolation.forget()
		}
	}
}

// Masquerade brings the masquerading to what is wanted, in one transaction, and
// counts what it had to change.
func (c *Client) Masquerade(ctx context.Context, want host.Masquerade) (changed int, err error) {
	changed, err = c.masquerade.apply(ctx, masquerading(want))
	if err != nil {
		return 0, fmt.Errorf("bring table inet %s to what is wanted: %w", table, err)
	}
	return changed, nil
}

// Confine lets an address be answered for by ARP on its own device only. The
// addresses given are all there are.
func (c *Client) Confine(ctx context.Context, want []host.Address) (changed int, err error) {
	changed, err = c.confinement.apply(ctx, confinement(want))
	if err != nil {
		return 0, fmt.Errorf("bring table arp %s to what is wanted: %w", table, err)
	}
	return changed, nil
}

// Isolate makes the host's stack deaf to devices: their frames reach only
// packet sockets, which is how the userspace datapath reads them. The devices
// have to exist and should still be down. Isolating twice is no error.
func (c *Client) Isolate(ctx context.Context, devices ...string) error {
	return c.isolation.isolate(ctx, devices)
}

// Release forgets devices, which need not exist any more.
func (c *Client) Release(ctx context.Context, devices ...string) error {
	return c.isolation.release(ctx, devices)
}

// Sweep removes what isolated devices that are gone, and counts it.
func (c *Client) Sweep(ctx context.Context) (removed int, err error) {
	return c.isolation.sweep(ctx)
}

// indexer tells a device's index; two devices of one name, one after the other,
// differ in it.
type indexer func(device string) (int, error)

func kernelIndex(device string) (int, error) {
	link, err := net.InterfaceByName(device)
	if err != nil {
		return 0, err
	}
	return link.Index, nil
}

// cache is what is known of a table; the zero cache knows nothing.
type cache[T any] struct {
	mu    sync.Mutex // held while the table is read or written
	known bool
	value T
}

func (c *cache[T]) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known = false
}
