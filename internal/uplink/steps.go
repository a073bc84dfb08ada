package uplink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"

	"hawser/internal/host"
)

// nicBefore is what a NIC was before a step. It stands in the journal as JSON.
type nicBefore struct {
	// Clsact tells that the NIC had a clsact qdisc.
	Clsact bool `json:"clsact,omitempty"`
	// LRO are the NIC and its members of which LRO was on.
	LRO []string `json:"lro,omitempty"`
	// Promisc tells that the NIC's own bit IFF_PROMISC was set.
	Promisc bool `json:"promisc,omitempty"`
}

// Before says what Undo will have to know of the step. Of a NIC on which the step
// was done already, the note beside the pins knows.
func (c *Client) Before(ctx context.Context, step host.Step) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if step.Action != host.ActionFilter && step.Action != host.ActionPromisc {
		return "", nil
	}
	nic, err := c.find(step.Uplink.NIC)
	if err != nil {
		return "", err
	}
	if noted, err := c.readNote(step, nic.Attrs().Index); err != nil || noted != "" {
		return noted, err
	}
	before := nicBefore{Promisc: isPromisc(nic)}
	if step.Action == host.ActionFilter {
		if before, err = c.beforeFilter(nic); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(before)
	return string(text), err
}

func (c *Client) beforeFilter(nic netlink.Link) (before nicBefore, err error) {
	if before.Clsact, err = c.hasQdisc(nic); err != nil {
		return before, err
	}
	members, err := c.members(nic)
	if err != nil {
		return before, err
	}
	before.LRO = c.withLRO(members)
	return before, nil
}

// Do does a step of pair, load, filter or promisc; repeated, it changes nothing,
// and after an upgrade of this program it replaces what an older one loaded.
func (c *Client) Do(ctx context.Context, step host.Step) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	u := step.Uplink
	switch step.Action {
	case host.ActionPair:
		return c.makePair(u)
	case host.ActionLoad:
		return c.doLoad(u)
	case host.ActionFilter:
		return c.doFilter(step)
	case host.ActionPromisc:
		return c.doPromisc(step)
	}
	return fmt.Errorf("the edge of shared uplinks does not do %q", step.Action)
}

func (c *Client) doLoad(u host.Uplink) error {
	if err := c.Supported(); err != nil {
		return err
	}
	if err := c.load(u); err != nil {
		return err
	}
	return c.seed(u)
}

// doFilter lets the first frame through when all is in place: until the pair's
// end at the programs is up, the bridge hears and says nothing.
func (c *Client) doFilter(step host.Step) error {
	u := step.Uplink
	nic, err := c.find(u.NIC)
	if err != nil {
		return err
	}
	if kind := nic.Attrs().EncapType; kind != "ether" {
		return fmt.Errorf("%s is no Ethernet device but %s: it cannot be shared", u.NIC, kind)
	}
	members, err := c.members(nic)
	if err != nil {
		return err
	}
	if err := c.noteBefore(step, nic); err != nil {
		return err
	}
	c.setLRO(members, false)
	if err := c.attach(u); err != nil {
		return err
	}
	return c.followLink(u, nic)
}

// noteBefore pins what the NIC was, once its programs are there to pin it beside.
func (c *Client) noteBefore(step host.Step, nic netlink.Link) error {
	if err := c.checkAttached(step.Uplink, nic); err != nil {
		return err
	}
	return c.pinNote(step, nic.Attrs().Index)
}

func (c *Client) doPromisc(step host.Step) error {
	nic, err := c.find(step.Uplink.NIC)
	if err != nil {
		return err
	}
	if err := c.noteBefore(step, nic); err != nil {
		return err
	}
	return c.setPromisc(nic, true)
}

// Undo takes such a step back, also one done in part or never. What is gone by
// itself, as with a NIC that was pulled out, needs nothing.
func (c *Client) Undo(ctx context.Context, step host.Step) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var before nicBefore
	if step.Before != "" {
		if err := json.Unmarshal([]byte(step.Before), &before); err != nil {
			return fmt.Errorf("read what %s was before: %w", step.Uplink.NIC, err)
		}
	}
	u := step.Uplink
	switch step.Action {
	case host.ActionPair:
		return c.removePair(u)
	case host.ActionLoad:
		return c.unpinAll(u)
	case host.ActionFilter:
		return c.undoFilter(u, before)
	case host.ActionPromisc:
		return c.undoPromisc(u, before)
	}
	return fmt.Errorf("the edge of shared uplinks does not undo %q", step.Action)
}

// undoFilter silences the bridge first, so that no frame is on its way with a
// mark that nobody would take away.
func (c *Client) undoFilter(u host.Uplink, before nicBefore) error {
	if err := c.setDown(u.Wire); err != nil {
		return err
	}
	if err := c.detach(u, before); err != nil {
		return err
	}
	c.setLRO(before.LRO, true)
	return nil
}

// undoPromisc clears the bit only if it was clear before us: it is one bit, and
// whoever set it first relies on it.
func (c *Client) undoPromisc(u host.Uplink, before nicBefore) error {
	nic, err := c.deviceOf(u)
	if before.Promisc || errors.Is(err, host.ErrMissing) {
		return nil
	}
	if err != nil {
		return err
	}
	return c.setPromisc(nic, false)
}
