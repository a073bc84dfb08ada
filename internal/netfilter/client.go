package netfilter

import (
	"context"
	"fmt"
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
	pods        *keeper
	confinement *keeper
	watcher     *watcher
}

// Open looks for the nft program, version 1.0.1 or later. It needs
// CAP_NET_ADMIN. A kernel may be built without the arp family; that is an error
// only for who asks for what it does.
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
	c := newClient(inet, arp)
	c.confinement.lacks = noARP
	c.watcher = watcher
	go watcher.run(c.forget)
	return c, nil
}

// newClient is Open without the kernel.
func newClient(inet, arp knftables.Interface) *Client {
	return &Client{pods: &keeper{nft: inet, sets: sets()}, confinement: &keeper{nft: arp}}
}

// Close ends the subscription. The tables stay: running pods need them.
func (c *Client) Close() { c.watcher.close() }

// Changed gives a hint when somebody else changed or deleted one of our tables,
// as `nft flush ruleset` does. The next Filter and Confine then read anew what is
// there. A hint may be about a change of our own: it says "look again".
func (c *Client) Changed() <-chan struct{} { return c.watcher.hints }

// forget drops what is known of the tables of some families.
func (c *Client) forget(families ...uint8) {
	for _, family := range families {
		switch family {
		case unix.NFPROTO_INET:
			c.pods.forget()
		case unix.NFPROTO_ARP:
			c.confinement.forget()
		}
	}
}

// Filter brings isolation, private subnets and masquerading to what is wanted,
// in one transaction, and counts what it had to change.
func (c *Client) Filter(ctx context.Context, want host.Filtering) (changed int, err error) {
	changed, err = c.pods.apply(ctx, pods(want))
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
