package uplink

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hawser/internal/host"
)

const kindVeth = "veth"

// pair makes the veth pairs of uplinks.
type pair struct{ links }

// makePair makes the veth pair, silent: without IPv6 and ARP, and with the end
// at the programs down, so that the end in the bridge has no carrier.
func (p *pair) makePair(u host.Uplink) error {
	nic, err := p.find(u.NIC)
	if err != nil {
		return err
	}
	if err := p.addPair(u, nic.Attrs().MTU); err != nil {
		return err
	}
	for _, end := range []string{u.Tap, u.Wire} {
		if err := p.silence(end, u); err != nil {
			return err
		}
	}
	tap, err := p.find(u.Tap)
	if err != nil {
		return err
	}
	if err := p.setUp(tap); err != nil {
		return err
	}
	return nil
}

// addPair finds a pair of ours, or makes it.
func (p *pair) addPair(u host.Uplink, mtu int) error {
	ours, err := p.hasPair(u)
	if err != nil || ours {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = u.Tap, mtu
	if err := p.handle.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: u.Wire}); err != nil {
		return fmt.Errorf("add veth pair %s, %s: %w", u.Tap, u.Wire, err)
	}
	return nil
}

// hasPair tells whether the pair is there. Its names are ours; whoever else uses
// one is told so.
func (p *pair) hasPair(u host.Uplink) (bool, error) {
	tap, err := p.find(u.Tap)
	if errors.Is(err, host.ErrMissing) {
		return false, p.checkAbsent(u.Wire)
	}
	if err != nil {
		return false, err
	}
	wire, err := p.find(u.Wire)
	if err != nil && !errors.Is(err, host.ErrMissing) {
		return false, err
	}
	if err != nil || tap.Type() != kindVeth || tap.Attrs().ParentIndex != wire.Attrs().Index {
		return false, foreign(u.Tap)
	}
	return true, nil
}

func (p *pair) checkAbsent(name string) error {
	_, err := p.find(name)
	if err == nil {
		return foreign(name)
	}
	if errors.Is(err, host.ErrMissing) {
		return nil
	}
	return err
}

func foreign(name string) error {
	return fmt.Errorf("%s is there but is no end of our veth pair: delete or rename it", name)
}

// silence keeps the host from saying anything on an end of the pair. The alias is
// for people who wonder what it is.
func (p *pair) silence(name string, u host.Uplink) error {
	end, err := p.find(name)
	if err != nil {
		return err
	}
	if err := disableIPv6(name); err != nil {
		return err
	}
	if alias := u.Alias(); end.Attrs().Alias != alias {
		if err := p.handle.LinkSetAlias(end, alias); err != nil {
			return fmt.Errorf("set the alias of %s: %w", name, err)
		}
	}
	if end.Attrs().RawFlags&unix.IFF_NOARP != 0 {
		return nil
	}
	if err := p.handle.LinkSetARPOff(end); err != nil {
		return fmt.Errorf("set noarp on %s: %w", name, err)
	}
	return nil
}

// Where settings are written, as in internal/kernel: /proc/sys is read-only in a
// container, and the chart mounts the host's a second time.
const (
	procSys     = "/proc/sys"
	hostProcSys = "/host/proc/sys"
)

// disableIPv6 does nothing on a kernel without IPv6.
func disableIPv6(device string) error {
	root := procSys
	if _, err := os.Stat(filepath.Join(hostProcSys, "net")); err == nil {
		root = hostProcSys
	}
	path := filepath.Join(root, "net/ipv6/conf", device, "disable_ipv6")
	if have, err := os.ReadFile(path); err == nil && len(have) > 0 && have[0] == '1' {
		return nil
	}
	if err := os.WriteFile(path, []byte("1"), 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("switch IPv6 off on %s: %w", device, err)
	}
	return nil
}

// removePair deletes both ends. A foreign device of that name stays.
func (p *pair) removePair(u host.Uplink) error {
	for _, name := range []string{u.Tap, u.Wire} {
		end, err := p.find(name)
		if errors.Is(err, host.ErrMissing) || (err == nil && end.Type() != kindVeth) {
			continue
		}
		if err != nil {
			return err
		}
		if err := p.handle.LinkDel(end); err != nil && !errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("delete %s: %w", name, err)
		}
	}
	return nil
}

func (l *links) setUp(link netlink.Link) error {
	if link.Attrs().RawFlags&unix.IFF_UP != 0 {
		return nil
	}
	if err := l.handle.LinkSetUp(link); err != nil {
		return fmt.Errorf("set %s up: %w", link.Attrs().Name, err)
	}
	return nil
}

func (l *links) setDown(name string) error {
	link, err := l.find(name)
	if errors.Is(err, host.ErrMissing) || (err == nil && link.Attrs().RawFlags&unix.IFF_UP == 0) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := l.handle.LinkSetDown(link); err != nil {
		return fmt.Errorf("set %s down: %w", name, err)
	}
	return nil
}
