package uplink

import (
	"context"
	"fmt"
	"slices"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
	nodeplan "hawser/internal/nodeplan/uplink"
	"hawser/internal/steps"
)

// Kernel reads the host's links; *kernel.Client is one.
type Kernel interface {
	Snapshot(ctx context.Context) (host.Snapshot, error)
	Lent(ctx context.Context, nic string) ([]string, error)
}

// Switch reads the local Open vSwitch; vswitch.Uplinks is one.
type Switch interface {
	Bridges() []host.Installed
	PortStates(bridge string) []host.PortState
	Connected() bool
}

// NetworkManager tells what it manages and how, and is told what it must not;
// *netmanager.Client is one.
type NetworkManager interface {
	Devices(ctx context.Context) ([]host.ManagedDevice, error)
	Profile(ctx context.Context, device string) (host.Profile, error)
	Keep(ctx context.Context, devices ...string) (changed bool, err error)
}

// Taps looks after shared uplinks that stand; *uplink.Client is one.
type Taps interface {
	Follow(ctx context.Context, u host.Uplink) (mended []string, err error)
	Keep(ctx context.Context, u host.Uplink, want host.Behind) (changed int, err error)
	State(ctx context.Context, u host.Uplink) (host.UplinkState, error)
	Counters(u host.Uplink) (host.UplinkCounters, error)
	Pinned() ([]host.Uplink, error)
}

// Prober asks the kernel and a physical network what they let us do;
// *uplink.Client is one.
type Prober interface {
	Supported() error
	Probe(ctx context.Context, u host.Uplink) (host.Probe, error)
}

// Journal carries out plans; *steps.Runner does.
type Journal interface {
	Entries() (map[string]steps.Entry, error)
	Adopt(ctx context.Context, name string, stands host.Plan) error
	Settle(ctx context.Context, name string, want host.Plan) error
}

// Mover tells what the host has on a NIC, as far as a takeover moves it;
// *takeover.Client is one.
type Mover interface {
	Belongings(ctx context.Context, nic string) (host.Belongings, error)
}

// Edges are all that the reconciler reaches of the host.
type Edges struct {
	Kernel         Kernel
	Switch         Switch
	NetworkManager NetworkManager
	Taps           Taps
	Prober         Prober
	Mover          Mover
	Journal        Journal
	Patrol         Patrol
}

// look reads the host.
func (e Edges) look(ctx context.Context, s *scene) (err error) {
	s.managed = nil
	if s.host, err = e.Kernel.Snapshot(ctx); err != nil {
		return fmt.Errorf("read the host's network: %w", err)
	}
	s.host.Bridges = e.Switch.Bridges()
	devices, err := e.NetworkManager.Devices(ctx)
	if err != nil {
		return fmt.Errorf("ask NetworkManager for its devices: %w", err)
	}
	for _, device := range devices {
		if device.Managed {
			s.managed = append(s.managed, device.Name)
		}
	}
	return nil
}

// lent are the devices of other network namespaces on NICs that have yet to join.
func (e Edges) lent(ctx context.Context, s *scene, part *kubeovnv1.ProviderNetworkNode) (map[string][]string, error) {
	noted := map[string]bool{}
	for _, up := range s.entries[part.Spec.ProviderNetwork].Plan.Uplinks() {
		noted[up.NIC] = true
	}
	lent := map[string][]string{}
	for _, nic := range part.Spec.Interfaces {
		if noted[nic] {
			continue
		}
		found, err := e.Kernel.Lent(ctx, nic)
		if err != nil {
			return nil, fmt.Errorf("look for devices in other namespaces on %s: %w", nic, err)
		}
		lent[nic] = found
	}
	return lent, nil
}

// belongings are what the host has on a NIC that the plan of a part moves, and what
// NetworkManager would have there.
func (e Edges) belongings(ctx context.Context, in *nodeplan.Input) (err error) {
	nic, moves := in.Moves()
	if !moves {
		return nil
	}
	if in.Has, err = e.Mover.Belongings(ctx, nic); err != nil {
		return fmt.Errorf("look at what %s has: %w", nic, err)
	}
	if !slices.Contains(in.Managed, nic) {
		return nil
	}
	if in.Profile, err = e.NetworkManager.Profile(ctx, nic); err != nil {
		return fmt.Errorf("ask NetworkManager for the profile of %s: %w", nic, err)
	}
	return nil
}

// shield keeps NetworkManager from the devices that we make, before they are.
func (e Edges) shield(ctx context.Context, s *scene) error {
	var devices []string
	for _, provider := range s.staying() {
		devices = append(devices, host.BridgeOf(provider))
	}
	for provider := range s.entries {
		devices = append(devices, host.BridgeOf(provider))
	}
	if len(devices) == 0 {
		return nil
	}
	devices = append(devices, "hwo*", "hww*")
	slices.Sort(devices)
	if _, err := e.NetworkManager.Keep(ctx, slices.Compact(devices)...); err != nil {
		return fmt.Errorf("keep NetworkManager from the devices of uplinks: %w", err)
	}
	return nil
}
