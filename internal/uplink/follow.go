package uplink

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hawser/internal/host"
)

// Follow has an attached uplink follow its NIC: MTU and carrier of the pair, the
// host's own stations and next hops. It is called whenever links or routes have
// changed. What somebody else has undone is done again, with a line for an event
// each.
func (c *Client) Follow(ctx context.Context, u host.Uplink) (mended []string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	nic, err := c.find(u.NIC)
	if err != nil {
		return nil, err
	}
	if err := c.checkAttached(u, nic); err != nil {
		return nil, err
	}
	for _, mend := range []func(host.Uplink, netlink.Link) (string, error){c.mendLRO, c.mendFilters, c.mendPromisc} {
		line, err := mend(u, nic)
		if err != nil {
			return mended, err
		}
		if line != "" {
			mended = append(mended, line)
		}
	}
	if err := c.followLink(u, nic); err != nil {
		return mended, err
	}
	return mended, c.seed(u)
}

// checkAttached refuses a NIC that is not the one which was attached, such as one
// that was plugged in anew: what it was before would be lost.
func (s *shelf) checkAttached(u host.Uplink, nic netlink.Link) error {
	have, err := s.readSettings(u)
	if err != nil {
		return err
	}
	if int(have.NIC) != nic.Attrs().Index {
		return fmt.Errorf("%s is another device than the one that was attached to provider network %s", u.NIC, u.Provider)
	}
	return nil
}

func (l *links) mendLRO(_ host.Uplink, nic netlink.Link) (string, error) {
	members, err := l.members(nic)
	if err != nil {
		return "", err
	}
	on := l.withLRO(members)
	l.setLRO(on, false)
	stuck := l.withLRO(on) // which is a Limit, and nothing that anybody did
	off := slices.DeleteFunc(on, func(name string) bool { return slices.Contains(stuck, name) })
	if len(off) == 0 {
		return "", nil
	}
	return "LRO of " + strings.Join(off, ", ") + " was switched on, and is off again: merged frames cannot be passed to pods", nil
}

func (r *rack) mendFilters(u host.Uplink, _ netlink.Link) (string, error) {
	hook, err := r.hook(u)
	if err != nil || hook != "" {
		return "", err
	}
	if err := r.attach(u); err != nil {
		return "", err
	}
	return "the programs of " + u.NIC + " were taken away, and are back: pods were cut off meanwhile", nil
}

func (l *links) mendPromisc(u host.Uplink, nic netlink.Link) (string, error) {
	if isPromisc(nic) {
		return "", nil
	}
	if err := l.setPromisc(nic, true); err != nil {
		return "", err
	}
	return "promiscuous mode of " + u.NIC + " was switched off, and is on again: pods on it were deaf meanwhile", nil
}

// followLink gives the pair the MTU of the NIC and, by way of its end at the
// programs, the end in the bridge its carrier.
func (p *pair) followLink(u host.Uplink, nic netlink.Link) error {
	wire, err := p.find(u.Wire)
	if err != nil {
		return err
	}
	tap, err := p.find(u.Tap)
	if err != nil {
		return err
	}
	for _, end := range []netlink.Link{tap, wire} {
		if mtu := nic.Attrs().MTU; end.Attrs().MTU != mtu {
			if err := p.handle.LinkSetMTU(end, mtu); err != nil {
				return fmt.Errorf("set MTU %d on %s: %w", mtu, end.Attrs().Name, err)
			}
		}
	}
	if !hasCarrier(nic) {
		return p.setDown(u.Wire)
	}
	if err := p.setUp(tap); err != nil {
		return err
	}
	return p.setUp(wire)
}

// hasCarrier is false too for a NIC that the host has set down.
func hasCarrier(nic netlink.Link) bool {
	const both = unix.IFF_UP | unix.IFF_LOWER_UP
	return nic.Attrs().RawFlags&both == both
}
