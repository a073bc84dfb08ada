package vswitch

import (
	"context"
	"errors"
	"fmt"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"hawser/internal/host"
)

var (
	// ErrBridgeMissing is returned when a port's bridge does not exist yet:
	// br-int is made by ovn-controller. Nothing has been written then.
	ErrBridgeMissing = fmt.Errorf("bridge: %w", host.ErrMissing)
	// ErrForeign is returned when a wanted name is taken by somebody else.
	ErrForeign = errors.New("not ours to change")
	// ErrSpanning is returned when RSTP is to be switched off on a bridge that stays.
	// Open vSwitch 3.5 does that, but floods to no port of the bridge from then on
	// (bundle_update of ofproto-dpif.c runs while RSTP is still there): take the
	// bridge away, and make it again when ovs-vswitchd has let go of it, as
	// Uplinks.Do does.
	ErrSpanning = errors.New("RSTP cannot be switched off in place: remove the bridge first")
)

// Apply makes the rows of owner be what is wanted, in one transaction, and
// returns how many bridges and ports changed; 0 means that nothing was sent.
// Wanting nothing removes all that the owner has. It returns when the database
// has committed; ovs-vswitchd acts a little later.
//
// Calls take turns: each compares with the cache, which shows a change as soon
// as the transaction that made it has returned, and the server commits one
// transaction at a time anyway.
func (c *Client) Apply(ctx context.Context, owner string, want host.Switching) (changed int, err error) {
	if err := c.take(ctx); err != nil {
		return 0, err
	}
	defer c.release()
	have, err := c.snapshot(ctx)
	if err != nil {
		return 0, err
	}
	d, err := compose(have, owner, want)
	if err != nil {
		return 0, fmt.Errorf("planning the virtual switch for %s: %w", owner, err)
	}
	if d.changed == 0 {
		return 0, nil
	}
	if err := c.commit(ctx, d.operations()); err != nil {
		return 0, fmt.Errorf("committing %d changes to the virtual switch for %s: %w", d.changed, owner, err)
	}
	return d.changed, nil
}

// take waits for the turn to write; release passes it on.
func (c *Client) take(ctx context.Context) error {
	select {
	case c.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting to write to the Open_vSwitch database: %w", ctx.Err())
	}
}

func (c *Client) release() { <-c.turn }

// commit sends one transaction. While the connection is down it waits for it.
func (c *Client) commit(ctx context.Context, ops []ovsdb.Operation) error {
	results, err := c.db.Transact(ctx, ops...)
	if err != nil {
		return err
	}
	failed, err := ovsdb.CheckOperationResults(results, ops)
	if err == nil {
		return nil
	}
	var expired *ovsdb.TimedOut
	for _, f := range failed {
		if errors.As(f, &expired) {
			return ErrBridgeMissing // the only thing that we have transactions wait for
		}
		err = errors.Join(err, f)
	}
	return err
}
