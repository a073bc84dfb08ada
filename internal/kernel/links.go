package kernel

import (
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hawser/internal/host"
)

// makeLinks creates missing macvlans, replaces those that differ in what
// cannot be changed, and deletes one of ours that nobody wants.
func (w *work) makeLinks(want []host.Link) {
	wanted := map[string]bool{}
	for _, link := range want {
		if link.Kind == host.KindMacvlan {
			wanted[link.Name] = true
			w.makeMacvlan(link)
		}
	}
	if old, ok := w.links[host.EncapLink]; ok && !wanted[host.EncapLink] && old.Type() == host.KindMacvlan {
		w.deleteLink(old)
	}
}

func (w *work) makeMacvlan(want host.Link) {
	parent, ok := w.link(want.Parent)
	if !ok {
		return
	}
	if have, ok := w.links[want.Name]; ok {
		if have.Type() != host.KindMacvlan {
			w.errs = append(w.errs, fmt.Errorf("%s is a foreign device of kind %s, which we leave alone: rename it", want.Name, have.Type()))
			return
		}
		if have.Attrs().ParentIndex == parent.Attrs().Index && sameMAC(have, want.MAC) {
			return
		}
		w.deleteLink(have)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.ParentIndex, attrs.HardwareAddr = want.Name, parent.Attrs().Index, net.HardwareAddr(want.MAC[:])
	if want.Deaf {
		attrs.Group = host.DeafGroup
	}
	// Private: frames are exchanged with other nodes only, never with other
	// macvlans of this NIC.
	err := w.handle.LinkAdd(&netlink.Macvlan{LinkAttrs: attrs, Mode: netlink.MACVLAN_MODE_PRIVATE})
	w.done(err, "add macvlan %s to %s", want.Name, want.Parent)
	if made, err := w.handle.LinkByName(want.Name); err == nil {
		w.links[want.Name] = made
	}
}

func (w *work) deleteLink(link netlink.Link) {
	name := link.Attrs().Name
	w.done(w.handle.LinkDel(link), "delete link %s", name)
	delete(w.links, name)
}

// setLinks brings the settings of devices to what is wanted, and up last, so
// that no frame passes before they are in place.
func (w *work) setLinks(want []host.Link) {
	for _, link := range want {
		have, ok := w.link(link.Name)
		if !ok {
			continue
		}
		attrs := have.Attrs()
		if link.MTU != 0 && attrs.MTU != link.MTU {
			w.done(w.handle.LinkSetMTU(have, link.MTU), "set MTU %d on %s", link.MTU, link.Name)
		}
		if link.Deaf && attrs.Group != host.DeafGroup {
			w.done(w.handle.LinkSetGroup(have, host.DeafGroup), "set group %d on %s", host.DeafGroup, link.Name)
		}
		if link.NoARP && attrs.RawFlags&unix.IFF_NOARP == 0 {
			w.done(w.handle.LinkSetARPOff(have), "set noarp on %s", link.Name)
		}
		if link.Up && attrs.RawFlags&unix.IFF_UP == 0 {
			w.done(w.handle.LinkSetUp(have), "set %s up", link.Name)
		}
	}
}

// sameMAC accepts any address where none is asked for.
func sameMAC(have netlink.Link, want host.MAC) bool {
	return want.IsZero() || macOf(have) == want
}

func macOf(link netlink.Link) (mac host.MAC) {
	if raw := link.Attrs().HardwareAddr; len(raw) == len(mac) {
		copy(mac[:], raw)
	}
	return mac
}
