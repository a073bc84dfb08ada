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
// says. Without the packet filter no device is given to Open vSwitch or set up:
// the host would answer on it for addresses that are not its own.
func (h Host) apply(ctx context.Context, want host.Desired) (int, error) {
	r := &run{}
	made := r.step(h.Kernel.Make(ctx, want.Network.Links))
	r.step(h.Filter.Confine(ctx, want.Confined))
	if filtered := r.step(h.Filter.Filter(ctx, want.Filtering)); made && filtered {
		h.applySwitch(ctx, r, want)
		r.step(h.Kernel.Apply(ctx, want.Network))
	}
	return r.changed, errors.Join(r.errs...)
}

// empty takes all that is ours away. Pods that still run lose their link where
// the datapath ends with ovs-vswitchd, before the host begins to hear them. The
// next agent gives it back, should there be one.
func (h Host) empty(ctx context.Context, userspace bool) (int, error) {
	r := &run{}
	if userspace {
		r.step(h.Kernel.SetPodLinks(ctx, false))
	}
	h.applySwitch(ctx, r, host.Desired{})
	r.step(h.Kernel.Apply(ctx, host.Network{}))
	r.step(h.Filter.Filter(ctx, host.Filtering{}))
	r.step(h.Filter.Confine(ctx, nil))
	return r.changed, errors.Join(r.errs...)
}

func (h Host) applySwitch(ctx context.Context, r *run, want host.Desired) {
	ctx, cancel := context.WithTimeout(ctx, switchTimeout)
	defer cancel()
	if len(want.ExternalIDs) > 0 {
		r.step(h.Switch.SetExternalIDs(ctx, want.ExternalIDs))
	}
	r.step(h.Switch.Apply(ctx, owner, want.Switching))
}
