package uplink

import (
	"context"

	"hawser/internal/host"
)

// State reads what is there; a NIC that is missing is host.ErrMissing.
func (c *Client) State(ctx context.Context, u host.Uplink) (state host.UplinkState, err error) {
	if err := ctx.Err(); err != nil {
		return state, err
	}
	nic, err := c.find(u.NIC)
	if err != nil {
		return state, err
	}
	state.Carrier = hasCarrier(nic)
	state.Promisc = isPromisc(nic)
	if state.Pair, err = c.hasPair(u); err != nil {
		return state, err
	}
	if state.Loaded, err = c.isLoaded(u); err != nil {
		return state, err
	}
	if state.Hook, err = c.hook(u); err != nil {
		return state, err
	}
	state.Limits, err = c.limits(nic)
	return state, err
}

// hook is the kind of hook that all three programs hang in, as they are pinned.
func (r *rack) hook(u host.Uplink) (kind string, err error) {
	for _, h := range hooksOf(u) {
		if kind, err = r.hookName(u, h); err != nil || kind == "" {
			return "", err
		}
	}
	return kind, nil
}
