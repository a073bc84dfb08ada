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

// makePair makes the veth pair, silent: without IPv6 and ARP, and with the end
// at the programs down, so that the end in the bridge has no carrier.
func (c *Client) makePair(u host.Uplink) error {
	nic, err := c.find(u.NIC)
	if err != nil {
		return err
	}
	if err := c.addPair(u, nic.Attrs().MTU); err != nil {
		return err
	}
	for _, end := range []string{u.Tap, u.Wire} {
		if err := c.silence(end, u); err != nil {
			return err
		}
	}
	tap, err := c.find(u.Tap)
	if err != nil {
		return err
	}
	if err := c.setUp(tap); err != nil {
		return err
	}
	return nil
}

// addPair finds a pair of ours, or makes it.
func (c *Client) addPair(u host.Uplink, mtu int) error {
	ours, err := c.hasPair(u)
	if err != nil || ours {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = u.Tap, mtu
	if err := c.handle.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: u.Wire}); err != nil {
		return fmt.Errorf("add veth pair %s, %s: %w", u.Tap, u.Wire, err)
	}
	return nil
}

// hasPair tells whether the pair is there. Its names are ours; whoever else uses
// one is told so.
func (c *Client) hasPair(u host.Uplink) (bool, error) {
	tap, err := c.find(u.Tap)
	if errors.Is(err, host.ErrMissing) {
		return false, c.checkAbsent(u.Wire)
	}
	if err != nil {
		return false, err
	}
	wire, err := c.find(u.Wire)
	if err != nil && !errors.Is(err, host.ErrMissing) {
		return false, err
	}
	if err != nil || tap.Type() != kindVeth || tap.Attrs().ParentIndex != wire.Attrs().Index {
		return false, foreign(u.Tap)
	}
	return true, nil
}

func (c *Client) checkAbsent(name string) error {
	_, err := c.find(name)
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
func (c *Client) silence(name string, u host.Uplink) error {
	end, err := c.find(name)
	if err != nil {
		return err
	}
	if err := disableIPv6(name); err != nil {
		return err
	}
	if alias := "uplink " + u.NIC + " of provider network " + u.Provider; end.Attrs().Alias != alias {
		if err := c.handle.LinkSetAlias(end, alias); err != nil {
			return fmt.Errorf("set the alias of %s: %w", name, err)
		}
	}
	if end.Attrs().RawFlags&unix.IFF_NOARP != 0 {
		return nil
	}
	if err := c.handle.LinkSetARPOff(end); err != nil {
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
func (c *Client) removePair(u host.Uplink) error {
	for _, name := range []string{u.Tap, u.Wire} {
		end, err := c.find(name)
		if errors.Is(err, host.ErrMissing) || (err == nil && end.Type() != kindVeth) {
			continue
		}
		if err != nil {
			return err
		}
		if err := c.handle.LinkDel(end); err != nil && !errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("delete %s: %w", name, err)
		}
	}
	return nil
}

func (c *Client) setUp(link netlink.Link) error {
	if link.Attrs().RawFlags&unix.IFF_UP != 0 {
		return nil
	}
	if err := c.handle.LinkSetUp(link); err != nil {
		return fmt.Errorf("set %s up: %w", link.Attrs().Name, err)
	}
	return nil
}

func (c *Client) setDown(name string) error {
	link, err := c.find(name)
	if errors.Is(err, host.ErrMissing) || (err == nil && link.Attrs().RawFlags&unix.IFF_UP == 0) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := c.handle.LinkSetDown(link); err != nil {
		return fmt.Errorf("set %s down: %w", name, err)
	}
	return nil
}
