package uplink

import (
	"context"
	"errors"

	"github.com/vishvananda/netlink"

	"hawser/internal/host"
)

// ErrKernelUnsupported says that this kernel, or what a container lets us have of
// it, cannot carry a shared uplink. The error around it says what is missing.
var ErrKernelUnsupported = errors.New("a shared uplink needs what this kernel does not offer")

// Options are where an edge works; the zero value is a node's.
type Options struct {
	// Pins is the directory in a BPF filesystem, by default host.UplinkPins.
	Pins string
	// Legacy hangs the programs into a clsact qdisc although the kernel has tcx.
	Legacy bool
}

// Client speaks for the network namespace that it was opened in.
type Client struct {
	options Options
	handle  *netlink.Handle
}

// Open takes the netlink socket. It needs CAP_NET_ADMIN and CAP_BPF.
func Open(options Options) (*Client, error) { return nil, errors.ErrUnsupported }

// Close gives the socket back; whatever is attached stays attached.
func (c *Client) Close() {}

// Supported gives ErrKernelUnsupported, with what is missing, where no uplink
// can be shared.
func (c *Client) Supported() error { return errors.ErrUnsupported }

// Before says what Undo will have to know of the step.
func (c *Client) Before(ctx context.Context, step host.Step) (string, error) {
	return "", errors.ErrUnsupported
}

// Do does a step of pair, load, filter or promisc; repeated, it changes nothing.
func (c *Client) Do(ctx context.Context, step host.Step) error { return errors.ErrUnsupported }

// Undo takes such a step back, also one done in part or never.
func (c *Client) Undo(ctx context.Context, step host.Step) error { return errors.ErrUnsupported }

// Follow has an attached uplink follow its NIC: MTU and carrier of the pair, the
// host's own stations and next hops, the bit IFF_PROMISC. It gives a line for
// each thing that somebody else had undone and that was mended, for an event.
func (c *Client) Follow(ctx context.Context, u host.Uplink) (mended []string, err error) {
	return nil, errors.ErrUnsupported
}

// Behind is what is behind the bridge of an uplink.
type Behind struct {
	Stations []host.Station
	// Learn lets further stations be learned: there is a port with layer2_forward.
	Learn bool
}

// Keep brings the stations behind the bridge to exactly what is wanted, and
// counts what it had to change.
func (c *Client) Keep(ctx context.Context, u host.Uplink, want Behind) (changed int, err error) {
	return 0, errors.ErrUnsupported
}

// Own adds stations behind the bridge, as a pod is plugged in.
func (c *Client) Own(u host.Uplink, stations ...host.Station) error { return errors.ErrUnsupported }

// Disown takes stations away, as a pod goes.
func (c *Client) Disown(u host.Uplink, stations ...host.Station) error { return errors.ErrUnsupported }

// State is what is there of an uplink.
type State struct {
	Pair     bool   // both ends of the veth pair
	Loaded   bool   // programs and maps are pinned, of this build and with these settings
	Filtered bool   // all three programs see frames
	Promisc  bool   // the NIC takes frames for other addresses
	Hook     string // "tcx" or "clsact", where Filtered
	Carrier  bool   // of the NIC
	Limits   []Limit
}

// Attached tells whether frames pass between the NIC and the pair.
func (s State) Attached() bool { return s.Pair && s.Loaded && s.Filtered && s.Promisc }

// Limit is something that the NIC cannot do and a person should know: a condition.
type Limit struct {
	Reason  string // one of the Limit constants
	Message string
}

// Reasons of a Limit.
const (
	LimitLRO  = "LROStuck"    // received frames are merged and cannot be passed on
	LimitVLAN = "VLANFilter"  // frames of VLANs that the host does not use may be dropped
	LimitXDP  = "XDPAttached" // an XDP program sees frames before us and may keep them
)

// State reads what is there; a NIC that is missing is host.ErrMissing.
func (c *Client) State(ctx context.Context, u host.Uplink) (State, error) {
	return State{}, errors.ErrUnsupported
}

// Name is whose uplink something is.
type Name struct{ Provider, NIC string }

// Pinned lists the uplinks that something is pinned of, sorted: whatever of it
// stands in no plan is undone.
func (c *Client) Pinned() ([]Name, error) { return nil, errors.ErrUnsupported }

// Tally counts frames and their bytes.
type Tally struct{ Frames, Bytes uint64 }

// Counters are what the programs of an uplink counted since they were loaded
// first; they survive the agent.
type Counters struct {
	WireToHost, WireToSwitch   Tally
	HostToWire, HostToSwitch   Tally
	SwitchToWire, SwitchToHost Tally
	Flooded                    Tally // to both other ports, because the destination was unknown
	Spoofed                    Tally // from the bridge, with the source of somebody else
	Reflected                  Tally // from the wire, with the source of one of ours
	Guarded                    Tally // router advertisements and the like, kept from the host
	Failed                     Tally // copies that the kernel refused
}

// Counters reads the counters of a loaded uplink.
func (c *Client) Counters(u host.Uplink) (Counters, error) {
	return Counters{}, errors.ErrUnsupported
}
