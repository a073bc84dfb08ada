package takeover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"hawser/internal/host"
)

// wardrobe readies the bridge's device, and waits for what ovs-vswitchd does.
type wardrobe struct {
	*door
	patience time.Duration
}

// dress readies the bridge's device. One that is up was readied before: whatever
// was set there since stays.
func (w wardrobe) dress(ctx context.Context, u host.Uplink) error {
	nic, err := w.mustNIC(u)
	if err != nil {
		return err
	}
	if err := w.awaitBridge(ctx, u); err != nil {
		return err
	}
	bridge, err := w.handle.LinkByName(u.Bridge)
	if err != nil || bridge.Attrs().RawFlags&unix.IFF_UP != 0 {
		return err
	}
	name := u.Bridge
	if err := copySettings(nic.name, name); err != nil {
		return err
	}
	if err := errors.Join(write(fmt.Sprintf(generation, name), noneByMAC), loosen(name)); err != nil {
		return err
	}
	if err := w.handle.LinkSetUp(bridge); err != nil {
		return fmt.Errorf("set %s up: %w", name, err)
	}
	return nil
}

// undress silences the bridge's device.
func (w wardrobe) undress(u host.Uplink) error {
	bridge, err := w.bridge(u)
	if err != nil || !bridge.there() {
		return err
	}
	if err := w.handle.LinkSetDown(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: bridge.index}}); err != nil {
		return fmt.Errorf("set %s down: %w", bridge.name, err)
	}
	return nil
}

// awaitBridge waits for the device that ovs-vswitchd makes of the bridge's row.
func (w wardrobe) awaitBridge(ctx context.Context, u host.Uplink) error {
	return w.awaitDevice(ctx, u, true, "made")
}

// awaitGone waits until ovs-vswitchd has removed that device: another one may be
// about to get its name.
func (w wardrobe) awaitGone(ctx context.Context, u host.Uplink) error {
	return w.awaitDevice(ctx, u, false, "removed")
}

func (w wardrobe) awaitDevice(ctx context.Context, u host.Uplink, wanted bool, done string) error {
	err := w.await(ctx, func() (bool, error) {
		bridge, err := w.bridge(u)
		return bridge.there() == wanted, err
	})
	if err != nil {
		return fmt.Errorf("ovs-vswitchd has not %s the device of bridge %s (is it running?): %w", done, u.Bridge, err)
	}
	return nil
}

// awaitPort waits until the NIC is a port of the bridge, or is none any more, as
// its row in Open vSwitch says already. A NIC that is pulled out is none.
func (w wardrobe) awaitPort(ctx context.Context, u host.Uplink, wanted bool) error {
	err := w.await(ctx, func() (bool, error) {
		nic, err := w.nic(u)
		if err != nil || !nic.there() {
			return !wanted, err
		}
		link, err := w.handle.LinkByIndex(nic.index)
		return err == nil && isPort(link, u) == wanted, err
	})
	if err != nil {
		return fmt.Errorf("ovs-vswitchd has not followed with port %s of bridge %s (is it running?): %w", u.Member(), u.Bridge, err)
	}
	return nil
}

// isPort tells whether Open vSwitch hears a device: in its userspace datapath by
// nothing more than that it takes all frames.
func isPort(link netlink.Link, u host.Uplink) bool {
	if u.Userspace {
		return link.Attrs().Promisc > 0
	}
	return link.Attrs().MasterIndex != 0
}

// await looks again at every change of links until it is so.
func (w wardrobe) await(ctx context.Context, so func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, w.patience)
	defer cancel()
	changes, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK)
	if err != nil {
		return fmt.Errorf("subscribe to changes of links: %w", err)
	}
	stop := context.AfterFunc(ctx, changes.Close)
	defer func() {
		if stop() {
			changes.Close()
		}
	}()
	for {
		if done, err := so(); done || err != nil {
			return err
		}
		if _, _, err := changes.Receive(); err != nil && ctx.Err() != nil {
			return errors.Join(host.ErrMissing, ctx.Err())
		}
	}
}
