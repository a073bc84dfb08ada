package vswitch

import (
	"context"
	"errors"
	"fmt"

	"hawser/internal/vswitch/vsdb"
)

// ErrPortGone is returned when a port that is waited for is not, or no longer,
// there.
var ErrPortGone = errors.New("port is not in the Open_vSwitch database")

// installedKey is set on an interface by ovn-controller once all flows of its
// logical port are in the data path (ovn-controller(8), "ovn-installed").
const installedKey = "ovn-installed"

// Installed returns when OVN has put all flows of the interface's logical port
// into the data path. It returns ErrPortGone if the interface is or becomes
// unknown, and when ctx ends an error that says what stands in the way as far
// as the database tells.
func (c *Client) Installed(ctx context.Context, iface string) error {
	for {
		changed := c.pulse.next()
		row, found := c.ifaceNamed(iface)
		if !found {
			return fmt.Errorf("%s: %w", iface, ErrPortGone)
		}
		if row.ExternalIDs[installedKey] == "true" {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return notInstalled(ctx, row)
		}
	}
}

func notInstalled(ctx context.Context, row vsdb.Interface) error {
	port := row.ExternalIDs["iface-id"]
	if row.Error != nil && *row.Error != "" {
		return fmt.Errorf("ovs-vswitchd cannot use %s of logical port %s: %s: %w", row.Name, port, *row.Error, ctx.Err())
	}
	return fmt.Errorf("ovn-controller has not installed logical port %s at %s (is it connected? see its log on this node): %w", port, row.Name, ctx.Err())
}
