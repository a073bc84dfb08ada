package takeover

import (
	"context"
	"errors"
	"fmt"

	"hawser/internal/host"
)

// Do does a step of a takeover. Repeated, it changes nothing; and it brings to the
// bridge what somebody has put on the NIC since.
func (c *Client) Do(ctx context.Context, step host.Step) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	u := step.Uplink
	switch step.Action {
	case host.ActionWitness:
		return c.witness(ctx, u)
	case host.ActionHold:
		return c.holdNIC(u)
	case host.ActionRename:
		return c.doRename(step)
	case host.ActionDress:
		return c.wardrobe.dress(ctx, u)
	case host.ActionCopy:
		return c.mover.copy(step)
	case host.ActionSwitch:
		return c.mover.lead(ctx, step)
	case host.ActionBare:
		return c.mover.bare(u)
	case host.ActionRelease:
		return c.release(u)
	case host.ActionConfirm:
		return c.confirmBridge(ctx, u)
	case host.ActionKeep:
		_, _, err := c.mustBoth(u)
		return err
	}
	return fmt.Errorf("the edge of takeovers does not do %q", step.Action)
}

// Undo takes such a step back, also one done in part or never.
func (c *Client) Undo(ctx context.Context, step host.Step) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	u := step.Uplink
	delete(c.confirmed, u.Provider)
	switch step.Action {
	case host.ActionWitness:
		c.speakers.end(u.Provider)
		return c.wardrobe.awaitGone(ctx, u)
	case host.ActionConfirm:
		return c.unconfirm(u)
	case host.ActionKeep: // what Kube-OVN made is taken back as ours
		return nil
	case host.ActionHold:
		return c.release(u)
	case host.ActionRename:
		return c.undoRename(ctx, step)
	case host.ActionDress:
		return c.wardrobe.undress(u)
	case host.ActionCopy:
		return c.mover.undoCopy(ctx, u)
	case host.ActionSwitch:
		return c.mover.undoLead(step)
	case host.ActionBare:
		return errors.Join(c.mover.returnBranches(u), c.mover.undoBare(step))
	case host.ActionRelease:
		return c.holdBridge(u)
	}
	return fmt.Errorf("the edge of takeovers does not undo %q", step.Action)
}

// witness asks by the NIC before there is a bridge: what it asks later is answered
// to the bridge.
func (c *Client) witness(ctx context.Context, u host.Uplink) error {
	nic, bridge, err := c.both(u)
	if err != nil || bridge.there() {
		return err
	}
	delete(c.confirmed, u.Provider)
	if !nic.there() {
		return fmt.Errorf("%s: %w", u.NIC, host.ErrMissing)
	}
	if err := c.oracle.confirm(ctx, nic); err != nil || !u.Exchange {
		return err
	}
	return c.speakers.begin(u.Provider, nic, nic)
}

// unconfirm is before the way back.
func (c *Client) unconfirm(u host.Uplink) error {
	nic, bridge, err := c.both(u)
	if err != nil || !bridge.there() || !nic.there() || nic.name == u.NIC {
		return err
	}
	return c.speakers.begin(u.Provider, nic, bridge)
}

// confirmBridge asks once. A gateway that is out later is no reason to take a
// takeover back, and the agent looks again at every change of the host.
func (c *Client) confirmBridge(ctx context.Context, u host.Uplink) error {
	nic, bridge, err := c.mustBoth(u)
	if err != nil || c.confirmed[u.Provider] == nic.index {
		return err
	}
	if err := c.oracle.confirm(ctx, bridge); err != nil {
		return err
	}
	c.confirmed[u.Provider] = nic.index
	return nil
}

// holdNIC holds what the NIC has, until it has its other name: from then on the
// later steps see to its addresses.
func (c *Client) holdNIC(u host.Uplink) error {
	nic, err := c.mustNIC(u)
	if err != nil || nic.name != u.NIC {
		return err
	}
	return c.naming.hold(nic)
}

// holdBridge is for the way back, until the NIC has its own name again.
func (c *Client) holdBridge(u host.Uplink) error {
	nic, bridge, err := c.both(u)
	if err != nil || !bridge.there() || nic.name == u.NIC {
		return err
	}
	return c.naming.hold(bridge)
}

// release takes from lo what it held, once VRRP daemons have found what has the NIC's
// name by now: one that begins again takes its address from where it was before.
func (c *Client) release(u host.Uplink) error {
	defer c.speakers.end(u.Provider)
	held, err := c.naming.held()
	if err != nil || len(held) == 0 {
		return err
	}
	link, err := c.find(u.NIC)
	if err != nil {
		return err
	}
	if link != nil {
		if err := c.naming.repeat(deviceOf(link)); err != nil {
			return err
		}
	}
	c.speakers.relieve(u.Provider)
	return c.naming.take(held)
}

func (c *Client) doRename(step host.Step) error {
	_, labels, err := c.options.recall(step)
	if err != nil {
		return err
	}
	return c.naming.rename(step.Uplink, step.Uplink.Device(), labels)
}

func (c *Client) undoRename(ctx context.Context, step host.Step) error {
	if err := c.wardrobe.awaitGone(ctx, step.Uplink); err != nil {
		return err
	}
	_, labels, err := c.options.recall(step)
	if err != nil {
		return err
	}
	err = c.naming.rename(step.Uplink, step.Uplink.NIC, labels)
	if errors.Is(err, host.ErrMissing) {
		return nil
	}
	if err != nil {
		return err
	}
	return c.naming.forget(step.Uplink.Device())
}
