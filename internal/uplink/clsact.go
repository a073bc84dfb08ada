package uplink

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hawser/internal/host"
)

// Our filters are known by these, under which nobody else is known to have any.
const (
	filterHandle   = 0x0b5e
	filterPriority = 0x0b5e
)

// filters are programs in a clsact qdisc.
type filters struct{ links }

const qdiscKind = "clsact"

func clsactOf(device netlink.Link) *netlink.Clsact {
	return &netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: device.Attrs().Index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT,
	}}
}

func filterOf(h hook, device netlink.Link) *netlink.BpfFilter {
	return &netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{
			LinkIndex: device.Attrs().Index, Parent: h.parent,
			Handle: filterHandle, Priority: filterPriority, Protocol: unix.ETH_P_ALL,
		},
		Name: h.program, DirectAction: true,
	}
}

// attachFilter is for kernels before 6.6. The kernel replaces a filter of the
// same handle in one go.
func (f *filters) attachFilter(h hook, device netlink.Link, program *ebpf.Program) error {
	same, err := f.hasFilter(h, device, program)
	if err != nil || same {
		return err
	}
	if err := f.addQdisc(device); err != nil {
		return err
	}
	filter := filterOf(h, device)
	filter.Fd = program.FD()
	if err := f.handle.FilterReplace(filter); err != nil {
		return lacks(err, "filter bpf (CONFIG_NET_CLS_BPF)")
	}
	return nil
}

// addQdisc finds that a qdisc ingress is in the place of clsact: an egress filter
// would be hung into its ingress.
func (f *filters) addQdisc(device netlink.Link) error {
	has, err := f.hasQdisc(device)
	if err != nil || has {
		return err
	}
	err = f.handle.QdiscAdd(clsactOf(device))
	if errors.Is(err, unix.EEXIST) {
		name := device.Attrs().Name
		return fmt.Errorf("%s has a qdisc ingress, beside which this kernel has no place for clsact: run 'tc qdisc del dev %s ingress' if nobody needs it", name, name)
	}
	if err != nil {
		return lacks(err, "qdisc clsact (CONFIG_NET_SCH_INGRESS)")
	}
	return nil
}

// lacks tells a kernel that was built without something from one that refuses
// it now.
func lacks(err error, what string) error {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("%w: it has no %s: %w", host.ErrKernelUnsupported, what, err)
	}
	return fmt.Errorf("add the %s: %w", what, err)
}

func (f *filters) hasFilter(h hook, device netlink.Link, program *ebpf.Program) (bool, error) {
	id, err := programID(program)
	if err != nil {
		return false, err
	}
	found, err := f.ourFilter(h, device)
	return err == nil && found != nil && found.Id == int(id), err
}

// ourFilter gives nil where there is none of ours.
func (f *filters) ourFilter(h hook, device netlink.Link) (*netlink.BpfFilter, error) {
	if has, err := f.hasQdisc(device); err != nil || !has {
		return nil, err
	}
	filters, err := dump(func() ([]netlink.Filter, error) { return f.handle.FilterList(device, h.parent) })
	if err != nil {
		return nil, fmt.Errorf("list filters of %s: %w", h.device, err)
	}
	for _, filter := range filters {
		found, is := filter.(*netlink.BpfFilter)
		if is && found.Handle == filterHandle && found.Priority == filterPriority {
			return found, nil
		}
	}
	return nil, nil
}

func (f *filters) removeFilter(h hook, device netlink.Link) error {
	found, err := f.ourFilter(h, device)
	if err != nil || found == nil {
		return err
	}
	if err := f.handle.FilterDel(filterOf(h, device)); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return nil
}

// hasQdisc tells whether a device has a clsact qdisc.
func (f *filters) hasQdisc(device netlink.Link) (bool, error) {
	qdiscs, err := dump(func() ([]netlink.Qdisc, error) { return f.handle.QdiscList(device) })
	if err != nil {
		return false, fmt.Errorf("list qdiscs of %s: %w", device.Attrs().Name, err)
	}
	return slices.ContainsFunc(qdiscs, func(q netlink.Qdisc) bool { return q.Type() == qdiscKind }), nil
}

// removeQdisc removes a clsact qdisc that we made, unless somebody has hung a
// filter into it since. That of the pair goes with the pair.
func (f *filters) removeQdisc(device netlink.Link) error {
	if has, err := f.hasQdisc(device); err != nil || !has {
		return err
	}
	for _, parent := range []uint32{netlink.HANDLE_MIN_INGRESS, netlink.HANDLE_MIN_EGRESS} {
		filters, err := dump(func() ([]netlink.Filter, error) { return f.handle.FilterList(device, parent) })
		if err != nil || len(filters) > 0 {
			return err
		}
	}
	if err := f.handle.QdiscDel(clsactOf(device)); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("delete the qdisc clsact of %s: %w", device.Attrs().Name, err)
	}
	return nil
}
