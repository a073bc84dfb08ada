package kernel

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hawser/internal/host"
)

// makeVLAN makes a VLAN sub-interface, under another name until it says whose it is:
// what a crash leaves is found again. The host gets no address on it from router
// advertisements.
func (u Uplinks) makeVLAN(up host.Uplink) error {
	link, err := u.find(up.NIC)
	if errors.Is(err, host.ErrMissing) {
		link, err = u.unfinished(up)
	}
	switch {
	case err != nil:
		return err
	case link.Attrs().Alias != host.MadeFor(up.Provider):
		return fmt.Errorf("%s is there by now, and was not made for provider network %s", up.NIC, up.Provider)
	case link.Attrs().Name != up.NIC:
		if err := errors.Join(deafToRouters(link.Attrs().Name), u.handle.LinkSetName(link, up.NIC)); err != nil {
			return err
		}
	}
	if isUp(link) {
		return nil
	}
	return u.handle.LinkSetUp(link)
}

// unfinished is the sub-interface under its first name, which says whose it is.
func (u Uplinks) unfinished(up host.Uplink) (netlink.Link, error) {
	name, alias := firstName(up.NIC), host.MadeFor(up.Provider)
	if _, err := u.find(name); errors.Is(err, host.ErrMissing) {
		if err := u.addVLAN(name, up.NIC); err != nil {
			return nil, err
		}
	}
	link, err := u.find(name)
	if err != nil {
		return nil, err
	}
	link.Attrs().Alias = alias
	return link, u.handle.LinkSetAlias(link, alias)
}

func (u Uplinks) addVLAN(name, nic string) error {
	parent, vlan, ok := host.SubInterface(nic)
	if !ok {
		return fmt.Errorf("%s is not named as a VLAN sub-interface", nic)
	}
	below, err := u.find(parent)
	if err != nil {
		return err
	}
	err = u.handle.LinkAdd(&netlink.Vlan{
		LinkAttrs: netlink.LinkAttrs{Name: name, ParentIndex: below.Attrs().Index}, VlanId: vlan, VlanProtocol: netlink.VLAN_PROTOCOL_8021Q,
	})
	switch {
	case errors.Is(err, syscall.EEXIST):
		return fmt.Errorf("%s has a sub-interface of VLAN %d already, by another name: name that one, or delete it", parent, vlan)
	case errors.Is(err, syscall.EOPNOTSUPP):
		return fmt.Errorf("this kernel has no VLAN sub-interfaces: load its module 8021q: %w", err)
	}
	return err
}

// deleteVLAN deletes a sub-interface that is ours and that the host has put nothing on.
func (u Uplinks) deleteVLAN(up host.Uplink) error {
	for _, name := range []string{firstName(up.NIC), up.NIC} {
		link, err := u.find(name)
		switch {
		case errors.Is(err, host.ErrMissing):
			continue
		case err != nil:
			return err
		case name == up.NIC && link.Attrs().Alias != host.MadeFor(up.Provider):
			continue
		}
		if used, err := u.used(link); used || err != nil {
			return err
		}
		if err := u.handle.LinkDel(link); err != nil {
			return err
		}
	}
	return nil
}

// used tells whether the host has an address on a link, or a device.
func (u Uplinks) used(link netlink.Link) (bool, error) {
	addresses, err := chooseAddresses(u.handle, map[int]string{link.Attrs().Index: ""}, func(netlink.Addr) bool { return true })
	if err != nil || len(addresses) > 0 || link.Attrs().MasterIndex != 0 {
		return true, err
	}
	links, err := dump(u.handle.LinkList)
	if err != nil {
		return true, err
	}
	for _, other := range links {
		if other.Attrs().ParentIndex == link.Attrs().Index && other.Attrs().NetNsID < 0 {
			return true, nil
		}
	}
	return false, nil
}

// firstName is that of a sub-interface until it has its alias.
func firstName(nic string) string {
	sum := sha256.Sum256([]byte(nic))
	return "hwv" + hex.EncodeToString(sum[:4])
}

// deafToRouters leaves a link without IPv6; a kernel without it needs nothing.
func deafToRouters(name string) error {
	err := os.WriteFile(settingPath("net/ipv6/conf/"+name+"/disable_ipv6"), []byte("1"), 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}
