package kernel

import (
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hawser/internal/delta"
	"hawser/internal/host"
)

// setAddresses brings the addresses of our own devices to what is wanted.
// Stale ones go first: with promote_secondaries off, deleting a primary
// address takes its younger neighbours along.
func (w *work) setAddresses(want []host.Address) {
	have, err := w.ownAddresses()
	if err != nil {
		w.errs = append(w.errs, err)
		return
	}
	todo := delta.Diff(byKey(have), byKey(want), func(have, want host.Address) bool { return have == want })
	for _, address := range todo.Remove {
		err := w.handle.AddrDel(w.links[address.Link], asAddr(address.Prefix))
		w.done(err, "delete address %s from %s", address.Prefix, address.Link)
	}
	for _, address := range todo.Add {
		if link, ok := w.link(address.Link); ok {
			err := w.handle.AddrReplace(link, asAddr(address.Prefix))
			w.done(err, "add address %s to %s", address.Prefix, address.Link)
		}
	}
}

func byKey(addresses []host.Address) map[string]host.Address {
	out := make(map[string]host.Address, len(addresses))
	for _, address := range addresses {
		out[address.Link+" "+address.Prefix.String()] = address
	}
	return out
}

// ownAddresses reads the addresses of our devices. Link-local ones are the
// kernel's own.
func (w *work) ownAddresses() ([]host.Address, error) {
	names := map[int]string{}
	for name, link := range w.links {
		if host.IsOwn(name) {
			names[link.Attrs().Index] = name
		}
	}
	return listAddresses(w.handle, names)
}

// asAddr gives the kernel's form. Overlay addresses are unique by our own
// doing, so duplicate detection, which makes one unusable for a second, is off.
func asAddr(prefix netip.Prefix) *netlink.Addr {
	addr := &netlink.Addr{IPNet: asNet(prefix)}
	if prefix.Addr().Is6() {
		addr.Flags = unix.IFA_F_NODAD
	}
	return addr
}

func asNet(prefix netip.Prefix) *net.IPNet {
	return &net.IPNet{
		IP:   prefix.Addr().AsSlice(),
		Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen()),
	}
}

// asPrefix reads what asNet wrote; ok is false for nil.
func asPrefix(network *net.IPNet) (netip.Prefix, bool) {
	if network == nil {
		return netip.Prefix{}, false
	}
	addr, ok := netip.AddrFromSlice(network.IP)
	bits, _ := network.Mask.Size()
	return netip.PrefixFrom(addr.Unmap(), bits), ok
}
