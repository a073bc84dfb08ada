package uplink

import (
	"context"

	"hawser/internal/host"
	"hawser/internal/steps"
)

// Kernel reads the host's links; *kernel.Client is one.
type Kernel interface {
	Snapshot(ctx context.Context) (host.Snapshot, error)
}

// Switch reads the local Open vSwitch; *vswitch.Client is one.
type Switch interface {
	Bridges() []host.Installed
	Connected() bool
}

// NetworkManager tells what it manages, and is told what it must not;
// *netmanager.Client is one.
type NetworkManager interface {
	Devices(ctx context.Context) ([]host.ManagedDevice, error)
	Keep(ctx context.Context, devices ...string) (changed bool, err error)
}

// Taps looks after shared uplinks that stand; *uplink.Client is one.
type Taps interface {
	Follow(ctx context.Context, u host.Uplink) (mended []string, err error)
	Keep(ctx context.Context, u host.Uplink, want host.Behind) (changed int, err error)
	State(ctx context.Context, u host.Uplink) (host.UplinkState, error)
	Counters(u host.Uplink) (host.UplinkCounters, error)
	Supported() error
}

// Journal carries out plans; *steps.Runner does.
type Journal interface {
	Entries() (map[string]steps.Entry, error)
	Settle(ctx context.Context, name string, want host.Plan) error
}

// Edges are all that the reconciler reaches of the host.
type Edges struct {
	Kernel         Kernel
	Switch         Switch
	NetworkManager NetworkManager
	Taps           Taps
	Journal        Journal
}
