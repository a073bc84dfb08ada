package agent

import (
	"context"
	"errors"
	"time"

	"hawser/internal/host"
)

// owner marks what is the node's own in the local Open vSwitch.
const owner = "Node"

// switchTimeout bounds one write to OVSDB. While its server is away, writes wait
// for it; the kernel and nftables must not wait along.
const switchTimeout = 5 * time.Second

// run books the steps of one apply.
type run struct {
	changed int
	errs    []error
}

func (r *run) step(changed int, err error) (ok bool) {
	r.changed += changed
	if err != nil {
		r.errs = append(r.errs, err)
	}
	return err == nil
}

// apply brings the edges to what is wanted, in the order that host.Desired
// says. A device that could not be isolated is neither given to Open vSwitch
// nor set up: the host would answer on it for addresses that are not its own.
func (n *Node) apply(ctx context.Context, want host.Desired) (int, error) {
	r := &run{}
	if r.step(n.Kernel.Make(ctx, want.Network.Links)) && n.isolate(ctx, r, want) {
		n.applySwitch(ctx, r, want)
		r.step(n.Kernel.Apply(ctx, want.Network))
	}
	r.step(n.Filter.Masquerade(ctx, want.Masquerade))
	return r.changed, errors.Join(r.errs...)
}

func (n *Node) isolate(ctx context.Context, r *run, want host.Desired) (ok bool) {
	r.step(n.Filter.Confine(ctx, want.Confined))
	if len(want.Isolated) == 0 {
		return true
	}
	ok = r.step(0, n.Filter.Isolate(ctx, want.Isolated...))
	r.step(n.Filter.Sweep(ctx))
	return ok
}

func (n *Node) applySwitch(ctx context.Context, r *run, want host.Desired) {
	ctx, cancel := context.WithTimeout(ctx, switchTimeout)
	defer cancel()
	if len(want.ExternalIDs) > 0 {
		r.step(n.Switch.SetExternalIDs(ctx, want.ExternalIDs))
	}
	r.step(n.Switch.Apply(ctx, owner, want.Switching))
}
