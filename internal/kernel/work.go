package kernel

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-logr/logr"
	"github.com/vishvananda/netlink"

	"hawser/internal/host"
)

// work is one run of Make or Apply: what the kernel held when it began, how
// much was changed since, and what went wrong.
type work struct {
	log     logr.Logger
	handle  *netlink.Handle
	routes  *routeReader
	links   map[string]netlink.Link
	changed int
	errs    []error
	missing map[string]bool
}

// begin reads the links, on which everything else hangs.
func (c *Client) begin(ctx context.Context) (*work, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	links, err := dump(c.handle.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	byName := make(map[string]netlink.Link, len(links))
	for _, link := range links {
		byName[link.Attrs().Name] = link
	}
	return &work{log: logr.FromContextOrDiscard(ctx), handle: c.handle, routes: c.routes, links: byName, missing: map[string]bool{}}, nil
}

// done books one change, or what went wrong with it. Each change of a host is
// logged: whoever wonders at night who it was should find it.
func (w *work) done(err error, format string, args ...any) {
	if err != nil {
		w.errs = append(w.errs, fmt.Errorf(format+": %w", append(args, err)...))
		return
	}
	w.changed++
	w.log.Info("host network changed", "change", fmt.Sprintf(format, args...))
}

// link finds a device and books it as missing if it is not there.
func (w *work) link(name string) (netlink.Link, bool) {
	link, ok := w.links[name]
	if !ok {
		w.missing[name] = true
	}
	return link, ok
}

func (w *work) result() (int, error) {
	for name := range w.missing {
		w.errs = append(w.errs, fmt.Errorf("%s: %w", name, host.ErrMissing))
	}
	return w.changed, errors.Join(w.errs...)
}

// attempts bounds how often a dump is repeated that a change interrupted.
const attempts = 10

// dump repeats a listing that the kernel marked as inconsistent (NLM_F_DUMP_INTR).
func dump[T any](list func() ([]T, error)) (found []T, err error) {
	for range attempts {
		found, err = list()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return found, err
		}
	}
	return nil, err
}
