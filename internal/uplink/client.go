package uplink

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/rlimit"
	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hawser/internal/host"
)

// Options are where an edge works; the zero value is a node's.
type Options struct {
	// Pins is the directory in a BPF filesystem, by default host.UplinkPins.
	Pins string
	// Legacy hangs the programs into a clsact qdisc although the kernel has tcx.
	Legacy bool
}

// Client speaks for the network namespace that it was opened in. What it does is
// in its parts, each of which knows a part of the kernel.
type Client struct {
	options Options
	links
	shelf
	pair
	loader
	rack
	seeds
	behind
}

// Open takes the sockets. It needs CAP_NET_ADMIN, and later CAP_BPF and
// CAP_SYS_ADMIN, which is what pinning takes.
func Open(options Options) (*Client, error) {
	if options.Pins == "" {
		options.Pins = host.UplinkPins
	}
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket for uplinks: %w", err)
	}
	tool, err := ethtool.NewEthtool()
	if err != nil {
		handle.Close()
		return nil, fmt.Errorf("open an ethtool socket for uplinks: %w", err)
	}
	devices, pins := links{handle: handle, tool: tool}, shelf{root: options.Pins}
	return &Client{
		options: options, links: devices, shelf: pins,
		pair:   pair{devices},
		loader: loader{devices, pins},
		rack:   rack{filters: filters{devices}, shelf: pins, legacy: options.Legacy},
		seeds:  seeds{devices, pins},
		behind: behind{shelf: pins},
	}, nil
}

// Close gives the sockets back; whatever is attached stays attached.
func (c *Client) Close() {
	c.tool.Close()
	c.handle.Close()
}

// Supported gives host.ErrKernelUnsupported, with what is missing and what to do,
// where no uplink can be shared. It changes nothing; whether the kernel also has
// a hook for the programs shows when they are hung there.
func (c *Client) Supported() error {
	// Kernels before 5.11 book maps on RLIMIT_MEMLOCK; a refusal shows below.
	_ = rlimit.RemoveMemlock()
	if err := features.HaveProgramType(ebpf.SchedCLS); err != nil {
		return fmt.Errorf("%w: it does not take eBPF programs for traffic control, which need CONFIG_BPF_SYSCALL, CONFIG_NET_CLS_BPF and the agent's CAP_BPF or CAP_SYS_ADMIN: %w", host.ErrKernelUnsupported, err)
	}
	return c.checkPins()
}

// checkPins finds the BPF filesystem that pins are in.
func (s *shelf) checkPins() error {
	var found unix.Statfs_t
	for dir := s.root; ; dir = parent(dir) {
		err := unix.Statfs(dir, &found)
		if errors.Is(err, unix.ENOENT) && dir != "/" {
			continue
		}
		if err == nil && found.Type == unix.BPF_FS_MAGIC {
			return nil
		}
		return fmt.Errorf("%w: %s is in no BPF filesystem: run 'mount -t bpf bpf /sys/fs/bpf' on the node, and mount it into the agent's pod", host.ErrKernelUnsupported, s.root)
	}
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

// find reads a link; one that is not there is host.ErrMissing.
func (l *links) find(name string) (netlink.Link, error) {
	link, err := l.handle.LinkByName(name)
	if missing(err) {
		return nil, fmt.Errorf("%s: %w", name, host.ErrMissing)
	}
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", name, err)
	}
	return link, nil
}

func missing(err error) bool {
	var gone netlink.LinkNotFoundError
	return errors.As(err, &gone)
}

func macOf(link netlink.Link) (mac host.MAC) {
	if raw := link.Attrs().HardwareAddr; len(raw) == len(mac) {
		copy(mac[:], raw)
	}
	return mac
}
