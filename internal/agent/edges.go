package agent

import (
	"context"

	"hawser/internal/host"
)

// Switch is the local Open vSwitch; *vswitch.Client is one.
type Switch interface {
	Apply(ctx context.Context, owner string, want host.Switching) (changed int, err error)
	SetExternalIDs(ctx context.Context, want map[string]string) (changed int, err error)
	ExternalID(key string) string
	Installed(ctx context.Context, port string) error
}

// Kernel is the node's links, addresses and routes; *kernel.Client is one.
type Kernel interface {
	Snapshot(ctx context.Context) (host.Snapshot, error)
	Make(ctx context.Context, want []host.Link) (changed int, err error)
	Apply(ctx context.Context, want host.Network) (changed int, err error)
	// SetPodLinks sets all pods' ends at the switch up, or down.
	SetPodLinks(ctx context.Context, up bool) (changed int, err error)
}

// Filter is the node's packet filter; *netfilter.Client is one.
type Filter interface {
	Filter(ctx context.Context, want host.Filtering) (changed int, err error)
	Confine(ctx context.Context, want []host.Address) (changed int, err error)
}

// Host is the node's network, by its three edges.
type Host struct {
	Switch Switch
	Kernel Kernel
	Filter Filter
}
