package uplink

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hawser/internal/host"
)

// hook is a place where a program sees frames.
type hook struct {
	program string
	device  string
	tcx     ebpf.AttachType
	parent  uint32 // of the filter in a clsact qdisc
}

// rack is where the programs of uplinks hang, and how.
type rack struct {
	filters
	shelf
	legacy bool // as kernels without tcx have it
}

// hooksOf are in the order of attaching. ovs_in comes last, and goes first: what
// it sends on carries the mark that the other two take away.
func hooksOf(u host.Uplink) []hook {
	return []hook{
		{programWire, u.NIC, ebpf.AttachTCXIngress, netlink.HANDLE_MIN_INGRESS},
		{programHost, u.NIC, ebpf.AttachTCXEgress, netlink.HANDLE_MIN_EGRESS},
		{programOVS, u.Wire, ebpf.AttachTCXIngress, netlink.HANDLE_MIN_INGRESS},
	}
}

// pinOfLink is what the tcx link of a program is pinned as.
func pinOfLink(program string) string { return "link_" + program }

// attach has all programs see frames, or replaces those that are of another
// build. Each is replaced in one go, with no frame between the two.
func (r *rack) attach(u host.Uplink) error {
	for _, h := range hooksOf(u) {
		program, err := r.openProgram(u, h.program)
		if err != nil {
			return err
		}
		err = r.attachOne(u, h, program)
		program.Close()
		if err != nil {
			return fmt.Errorf("hang %s into %s: %w", h.program, h.device, err)
		}
	}
	return nil
}

func (r *rack) attachOne(u host.Uplink, h hook, program *ebpf.Program) error {
	device, err := r.find(h.device)
	if err != nil {
		return err
	}
	if r.hasTCX(device) {
		return r.attachLink(u, h, device, program)
	}
	return r.attachFilter(h, device, program)
}

// hasTCX asks what else hangs there, which a kernel without tcx finds an invalid
// question. Any other error is no reason to hang the programs there twice.
func (r *rack) hasTCX(device netlink.Link) bool {
	if r.legacy {
		return false
	}
	_, err := link.QueryPrograms(link.QueryOptions{Target: device.Attrs().Index, Attach: ebpf.AttachTCXIngress})
	return !errors.Is(err, unix.EINVAL) && !errors.Is(err, ebpf.ErrNotSupported)
}

// attachLink uses tcx, which came with Linux 6.6: no qdisc is needed, and the
// pinned link is ours alone. At its head, we are where the wire begins.
func (r *rack) attachLink(u host.Uplink, h hook, device netlink.Link, program *ebpf.Program) error {
	path := r.pin(u, pinOfLink(h.program))
	have, err := openLink(path, device)
	if err != nil {
		return err
	}
	if have != nil {
		defer have.Close()
		return updateLink(have, program)
	}
	made, err := link.AttachTCX(link.TCXOptions{
		Interface: device.Attrs().Index, Program: program, Attach: h.tcx, Anchor: link.Head(),
	})
	if err != nil {
		return err
	}
	defer made.Close()
	return pinOver(made, path)
}

// openLink gives nil for a link that is not there, or that is of a device which
// was plugged in anew.
func openLink(path string, device netlink.Link) (link.Link, error) {
	found, err := link.LoadPinnedLink(path, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open the link %s: %w", path, err)
	}
	info, err := found.Info()
	if err == nil && info.TCX() != nil && int(info.TCX().Ifindex) == device.Attrs().Index {
		return found, nil
	}
	found.Close()
	return nil, err
}

func updateLink(have link.Link, program *ebpf.Program) error {
	same, err := runs(have, program)
	if err != nil || same {
		return err
	}
	return have.Update(program)
}

func runs(have link.Link, program *ebpf.Program) (bool, error) {
	info, err := have.Info()
	if err != nil {
		return false, fmt.Errorf("look at the link: %w", err)
	}
	id, err := programID(program)
	return err == nil && info.Program == id, err
}

func programID(program *ebpf.Program) (ebpf.ProgramID, error) {
	info, err := program.Info()
	if err != nil {
		return 0, fmt.Errorf("look at the program: %w", err)
	}
	id, known := info.ID()
	if !known {
		return 0, fmt.Errorf("%w: programs have no number", host.ErrKernelUnsupported)
	}
	return id, nil
}

// deviceOf is the NIC that was attached, also where it has another name now: the
// settings know its index. They are gone after a boot, as the index is.
func (r *rack) deviceOf(u host.Uplink) (netlink.Link, error) {
	have, err := r.readSettings(u)
	if err != nil {
		return r.find(u.NIC)
	}
	nic, err := r.handle.LinkByIndex(int(have.NIC))
	if missing(err) {
		return nil, fmt.Errorf("%s: %w", u.NIC, host.ErrMissing)
	}
	if err != nil {
		return nil, fmt.Errorf("find %s by its index: %w", u.NIC, err)
	}
	return nic, nil
}

// detach takes all programs away, ovs_in first. A device that is gone took its
// filters with it.
func (r *rack) detach(u host.Uplink, before nicBefore) error {
	nic, err := r.deviceOf(u)
	gone := errors.Is(err, host.ErrMissing)
	if err != nil && !gone {
		return err
	}
	now := u
	if !gone {
		now.NIC = nic.Attrs().Name
	}
	hooks := hooksOf(now)
	for i := len(hooks) - 1; i >= 0; i-- {
		h := hooks[i]
		if err := r.detachOne(u, h); err != nil {
			return fmt.Errorf("take %s from %s: %w", h.program, h.device, err)
		}
	}
	if gone || before.Clsact || r.hasTCX(nic) {
		return nil // there is no qdisc of ours
	}
	return r.removeQdisc(nic)
}

// detachOne unpins the link before the filter is looked for: closing the last
// reference of a link takes the program away.
func (r *rack) detachOne(u host.Uplink, h hook) error {
	if err := removeLink(r.pin(u, pinOfLink(h.program))); err != nil {
		return err
	}
	device, err := r.find(h.device)
	if errors.Is(err, host.ErrMissing) {
		return nil
	}
	if err != nil {
		return err
	}
	return r.removeFilter(h, device)
}

// removeLink detaches at once: otherwise the kernel may take its time after the
// last reference is gone.
func removeLink(path string) error {
	found, err := link.LoadPinnedLink(path, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open the link %s: %w", path, err)
	}
	defer found.Close()
	if err := found.Detach(); err != nil && !errors.Is(err, ebpf.ErrNotSupported) {
		return fmt.Errorf("detach the link %s: %w", path, err)
	}
	return unpin(path)
}

// hookName tells how the program of a hook sees frames; "" if it does not.
func (r *rack) hookName(u host.Uplink, h hook) (string, error) {
	device, err := r.find(h.device)
	if errors.Is(err, host.ErrMissing) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	program, err := r.openProgram(u, h.program)
	if errors.Is(err, errNotLoaded) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer program.Close()
	have, err := openLink(r.pin(u, pinOfLink(h.program)), device)
	if err != nil {
		return "", err
	}
	if have != nil {
		defer have.Close()
		same, err := runs(have, program)
		return named(same, "tcx"), err
	}
	same, err := r.hasFilter(h, device, program)
	return named(same, "clsact"), err
}

func named(is bool, name string) string {
	if is {
		return name
	}
	return ""
}
