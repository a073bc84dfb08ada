package kernel

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hawser/internal/host"
)

// Notes of Uplinks.Before of ActionUp; of ActionIsolate it is the group's number.
const (
	wasUp   = "up"
	wasDown = "down"
)

// Uplinks does the steps of a plan that make or set a link: host.ActionVLAN,
// host.ActionUp, of a NIC that is a port of the provider's bridge and of nobody
// else's, and host.ActionIsolate, of any port of the userspace datapath.
type Uplinks struct{ *Client }

// Before tells how the link is set.
func (u Uplinks) Before(_ context.Context, step host.Step) (string, error) {
	if step.Action == host.ActionVLAN {
		return "", nil // its alias tells whose it is
	}
	link, err := u.find(step.Uplink.Member())
	switch {
	case err != nil:
		return "", err
	case step.Action == host.ActionIsolate && link.Attrs().Group == host.DeafGroup:
		return "0", nil // it was us, and the note of it is lost: links are made in group 0
	case step.Action == host.ActionIsolate:
		return strconv.FormatUint(uint64(link.Attrs().Group), 10), nil
	case isUp(link):
		return wasUp, nil
	}
	return wasDown, nil
}

// Do makes or sets the link.
func (u Uplinks) Do(_ context.Context, step host.Step) error {
	if step.Action == host.ActionVLAN {
		return u.makeVLAN(step.Uplink)
	}
	link, err := u.find(step.Uplink.Member())
	switch {
	case err != nil:
		return err
	case step.Action == host.ActionIsolate && link.Attrs().Group != host.DeafGroup:
		return u.handle.LinkSetGroup(link, host.DeafGroup)
	case step.Action == host.ActionUp && !isUp(link):
		return u.handle.LinkSetUp(link)
	}
	return nil
}

// Undo sets it back. A link that is no longer there needs nothing.
func (u Uplinks) Undo(_ context.Context, step host.Step) error {
	if step.Action == host.ActionVLAN {
		return u.deleteVLAN(step.Uplink)
	}
	link, err := u.find(step.Uplink.Member())
	switch {
	case errors.Is(err, host.ErrMissing):
		return nil
	case err != nil:
		return err
	case step.Action == host.ActionUp && step.Before == wasDown:
		return u.handle.LinkSetDown(link)
	case step.Action == host.ActionIsolate && step.Before != "":
		group, err := strconv.ParseUint(step.Before, 10, 31)
		if err != nil {
			return fmt.Errorf("read the group that %s was in: %w", step.Uplink.Member(), err)
		}
		return u.handle.LinkSetGroup(link, int(group))
	}
	return nil
}

func (u Uplinks) find(name string) (netlink.Link, error) {
	link, err := u.handle.LinkByName(name)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil, fmt.Errorf("%s: %w", name, host.ErrMissing)
	}
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", name, err)
	}
	return link, nil
}

func isUp(link netlink.Link) bool { return link.Attrs().RawFlags&unix.IFF_UP != 0 }
