package takeover

import (
	"fmt"
	"strings"

	"github.com/vishvananda/netlink"

	"hawser/internal/host"
)

// returnBranches gives VLAN sub-interfaces of the NIC back what a Kube-OVN has moved
// from them to internal ports of the bridge. They heard all the time: the kernel
// takes their frames before Open vSwitch.
func (m mover) returnBranches(u host.Uplink) error {
	nic, bridge, err := m.both(u)
	if err != nil || !nic.there() || !bridge.there() {
		return err
	}
	links, err := m.handle.LinkList()
	if err != nil {
		return fmt.Errorf("list links: %w", err)
	}
	for _, link := range links {
		vlan, ok := link.(*netlink.Vlan)
		if !ok || vlan.ParentIndex != nic.index {
			continue
		}
		port, err := branch(links, u.Bridge, vlan.VlanId)
		if err != nil {
			return err
		}
		if err := m.returnBranch(port, vlan); err != nil {
			return err
		}
	}
	return nil
}

func (m mover) returnBranch(port device, to *netlink.Vlan) error {
	if !port.there() {
		return nil
	}
	if err := m.handle.LinkSetUp(to); err != nil {
		return fmt.Errorf("set %s up: %w", to.Name, err)
	}
	has, err := m.goods(port)
	if err != nil {
		return err
	}
	vlan := deviceOf(to)
	if err := m.hand(has, port, vlan); err != nil {
		return err
	}
	if err := m.reroute(has.routes, port, vlan); err != nil {
		return err
	}
	if err := m.strip(has, port); err != nil {
		return err
	}
	return m.announce(has.addresses, vlan)
}

// branch finds the internal port of a VLAN by the names that Kube-OVN gives it: the
// second one where the first is too long for a device. That does not tell of which
// bridge it is.
func branch(links []netlink.Link, bridge string, id int) (found device, err error) {
	plain, short := fmt.Sprintf("%s-vlan%d", bridge, id), fmt.Sprintf("kv%d-", id)
	for _, link := range links {
		name := link.Attrs().Name
		if !host.MadeBySwitch(link.Type()) || name != plain && !strings.HasPrefix(name, short) {
			continue
		}
		if found.there() {
			return device{}, fmt.Errorf("%s and %s may both be VLAN %d of bridge %s: move the addresses of one of them to its sub-interface, and delete that port", found.name, name, id, bridge)
		}
		found = deviceOf(link)
	}
	return found, nil
}
