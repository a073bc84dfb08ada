package lab

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Cable is a veth pair: Interface in the namespace To, with addresses and
// default routes, and Port in the namespace From, on a bridge or with
// addresses of its own.
type Cable struct {
	From, Port string
	// Bridge is the bridge in From that Port is put on, or empty.
	Bridge        string
	PortAddresses []netip.Prefix
	// VLAN is what the bridge's port carries: Trunk all frames as they are, 0
	// untagged frames only, anything else untagged frames that are frames of
	// that VLAN on the bridge.
	VLAN int

	To, Interface string
	Addresses     []netip.Prefix
	Gateways      []netip.Addr
}

// EnsureBridge makes a plain bridge: no spanning tree, no filter.
func EnsureBridge(namespace, name string, addresses []netip.Prefix) error {
	return withHandle(namespace, func(h *netlink.Handle) error {
		if err := raise(h, "lo"); err != nil {
			return err
		}
		if _, err := h.LinkByName(name); err != nil {
			link := netlink.NewLinkAttrs()
			link.Name = name
			if err := h.LinkAdd(&netlink.Bridge{LinkAttrs: link}); err != nil {
				return fmt.Errorf("add bridge %s: %w", name, err)
			}
		}
		return configure(h, name, addresses, nil)
	})
}

// Connect lays a cable.
func Connect(c Cable) error {
	far, err := netns.GetFromPath(c.To)
	if err != nil {
		return fmt.Errorf("no such network: %w", err)
	}
	defer far.Close()
	if err := withHandle(c.From, func(h *netlink.Handle) error { return c.plug(h, far) }); err != nil {
		return err
	}
	return withHandle(c.To, func(h *netlink.Handle) error {
		if err := raise(h, "lo"); err != nil {
			return err
		}
		return configure(h, c.Interface, c.Addresses, c.Gateways)
	})
}

// plug makes the pair, and puts the near end where it belongs.
func (c Cable) plug(h *netlink.Handle, far netns.NsHandle) error {
	if _, err := h.LinkByName(c.Port); err != nil {
		near := netlink.NewLinkAttrs()
		near.Name = c.Port
		near.HardwareAddr = stableMAC(c.Port + "/port")
		pair := &netlink.Veth{
			LinkAttrs: near, PeerName: c.Interface,
			PeerNamespace:    netlink.NsFd(far),
			PeerHardwareAddr: stableMAC(c.Port + "/" + c.Interface),
		}
		if err := h.LinkAdd(pair); err != nil {
			return fmt.Errorf("add link %s: %w", c.Port, err)
		}
	}
	if c.Bridge != "" {
		if err := enslave(h, c.Port, c.Bridge); err != nil {
			return err
		}
		if err := setVLAN(h, c.Port, c.VLAN); err != nil {
			return err
		}
	}
	return configure(h, c.Port, c.PortAddresses, nil)
}

func enslave(h *netlink.Handle, port, bridge string) error {
	master, err := h.LinkByName(bridge)
	if err != nil {
		return fmt.Errorf("bridge %s: %w", bridge, err)
	}
	link, err := h.LinkByName(port)
	if err != nil {
		return err
	}
	return h.LinkSetMaster(link, master)
}

// Unplug takes a cable away; both its ends are gone when it returns.
func Unplug(namespace, port string) error {
	if !IsNamespace(namespace) {
		return nil
	}
	return withHandle(namespace, func(h *netlink.Handle) error {
		link, err := h.LinkByName(port)
		if errors.As(err, &netlink.LinkNotFoundError{}) {
			return nil
		}
		if err != nil {
			return err
		}
		return h.LinkDel(link)
	})
}

func withHandle(namespace string, work func(*netlink.Handle) error) error {
	ns, err := netns.GetFromPath(namespace)
	if err != nil {
		return fmt.Errorf("no such network: %w", err)
	}
	defer ns.Close()
	h, err := netlink.NewHandleAt(ns)
	if err != nil {
		return err
	}
	defer h.Close()
	return work(h)
}

func raise(h *netlink.Handle, name string) error {
	link, err := h.LinkByName(name)
	if err != nil {
		return fmt.Errorf("link %s: %w", name, err)
	}
	return h.LinkSetUp(link)
}

// configure raises a link and gives it addresses and default routes. IPv6
// addresses are ours alone, so nobody is asked whether they are taken.
func configure(h *netlink.Handle, name string, addresses []netip.Prefix, gateways []netip.Addr) error {
	link, err := h.LinkByName(name)
	if err != nil {
		return fmt.Errorf("link %s: %w", name, err)
	}
	for _, address := range addresses {
		flags := 0
		if address.Addr().Is6() {
			flags = unix.IFA_F_NODAD
		}
		if err := h.AddrReplace(link, &netlink.Addr{IPNet: ipNet(address), Flags: flags}); err != nil {
			return fmt.Errorf("address %s on %s: %w", address, name, err)
		}
	}
	if err := h.LinkSetUp(link); err != nil {
		return fmt.Errorf("raise %s: %w", name, err)
	}
	for _, gateway := range gateways {
		zero := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if gateway.Is6() {
			zero = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		route := netlink.Route{LinkIndex: link.Attrs().Index, Dst: ipNet(zero), Gw: gateway.AsSlice()}
		if err := h.RouteReplace(&route); err != nil {
			return fmt.Errorf("default route via %s: %w", gateway, err)
		}
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// stableMAC gives the same NIC the same address after every power cut.
func stableMAC(name string) net.HardwareAddr {
	sum := sha256.Sum256([]byte(name))
	return append(net.HardwareAddr{0x02}, sum[:5]...)
}
