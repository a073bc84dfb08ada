package kernel

import (
	"context"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hawser/internal/host"
)

// Notes of Uplinks.Before.
const (
	wasUp   = "up"
	wasDown = "down"
)

// Uplinks does the one step of a plan that sets a link: host.ActionUp, of a NIC
// that is a port of the provider's bridge and of nobody else's.
type Uplinks struct{ *Client }

// Before tells whether the NIC is up.
func (u Uplinks) Before(_ context.Context, step host.Step) (string, error) {
	link, err := u.handle.LinkByName(step.Uplink.NIC)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", step.Uplink.NIC, err)
	}
	if link.Attrs().RawFlags&unix.IFF_UP != 0 {
		return wasUp, nil
	}
	return wasDown, nil
}

// Do sets the NIC up.
func (u Uplinks) Do(_ context.Context, step host.Step) error {
	link, err := u.handle.LinkByName(step.Uplink.NIC)
	if err != nil {
		return fmt.Errorf("find %s: %w", step.Uplink.NIC, err)
	}
	if link.Attrs().RawFlags&unix.IFF_UP != 0 {
		return nil
	}
	return u.handle.LinkSetUp(link)
}

// Undo sets it down again if it was down. A NIC that is no longer there needs
// nothing.
func (u Uplinks) Undo(_ context.Context, step host.Step) error {
	if step.Before != wasDown {
		return nil
	}
	link, err := u.handle.LinkByName(step.Uplink.NIC)
	var gone netlink.LinkNotFoundError
	if errors.As(err, &gone) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find %s: %w", step.Uplink.NIC, err)
	}
	return u.handle.LinkSetDown(link)
}
