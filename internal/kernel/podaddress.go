package kernel

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hawser/internal/delta"
	"hawser/internal/host"
)

// addresses reads what the pod's end has; link-local ones are the kernel's own.
func (w *podWork) addresses(end netlink.Link) ([]host.Address, error) {
	return listAddresses(w.inside, map[int]string{end.Attrs().Index: w.want.Name})
}

func (w *podWork) wantedAddresses() []host.Address {
	var want []host.Address
	for _, prefix := range w.want.Addresses {
		want = append(want, host.Address{Link: w.want.Name, Prefix: prefix})
	}
	return want
}

// setAddresses leaves the pod's end with the wanted addresses and no others. The
// interface is ours alone, so an address that somebody added before is a mistake.
func (w *podWork) setAddresses(end netlink.Link) error {
	have, err := w.addresses(end)
	if err != nil {
		return err
	}
	todo := delta.Diff(byKey(have), byKey(w.wantedAddresses()), func(have, want host.Address) bool { return have == want })
	for _, address := range todo.Remove {
		if err := w.inside.AddrDel(end, asAddr(address.Prefix)); err != nil {
			return fmt.Errorf("delete address %s from %s in the pod: %w", address.Prefix, w.want.Name, err)
		}
	}
	for _, address := range todo.Add {
		if err := w.inside.AddrReplace(end, asAddr(address.Prefix)); err != nil {
			return fmt.Errorf("add address %s to %s in the pod: %w", address.Prefix, w.want.Name, err)
		}
	}
	return nil
}

// setRoutes adds what is wanted. Others are left alone: the address brings the
// route to its own network, and a pod may add what it likes.
func (w *podWork) setRoutes(end netlink.Link) error {
	for _, want := range w.want.Routes {
		route := &netlink.Route{
			LinkIndex: end.Attrs().Index, Dst: asNet(want.Prefix), Gw: want.Gateway.AsSlice(),
			Protocol: host.RouteProtocol, Table: unix.RT_TABLE_MAIN,
		}
		if !want.Gateway.IsValid() && want.Prefix.Addr().Is4() {
			route.Scope = netlink.SCOPE_LINK
		}
		if err := w.inside.RouteReplace(route); err != nil {
			return fmt.Errorf("add route to %s by %s in the pod: %w", want.Prefix, want.Gateway, err)
		}
	}
	return nil
}

// check says the first thing that is not as wanted.
func (w *podWork) check() error {
	outer, err := w.handle.LinkByName(w.want.Host)
	if err != nil {
		return fmt.Errorf("find link %s: %w", w.want.Host, err)
	}
	end, err := w.podEnd()
	if err != nil {
		return err
	}
	switch {
	case !paired(outer, end):
		return fmt.Errorf("%s and the pod's %s are not ends of one pair", w.want.Host, w.want.Name)
	case outer.Attrs().RawFlags&unix.IFF_UP == 0:
		return fmt.Errorf("%s is down", w.want.Host)
	case end.Attrs().RawFlags&unix.IFF_UP == 0:
		return fmt.Errorf("%s in the pod is down", w.want.Name)
	case !sameMAC(end, w.want.MAC):
		return fmt.Errorf("%s in the pod has MAC %s, not %s", w.want.Name, macOf(end), w.want.MAC)
	}
	have, err := w.addresses(end)
	if err != nil {
		return err
	}
	if got, want := text(have), text(w.wantedAddresses()); got != want {
		return fmt.Errorf("%s in the pod has addresses [%s], not [%s]", w.want.Name, got, want)
	}
	return nil
}

// text lists addresses for comparison and for people.
func text(addresses []host.Address) string {
	var list []string
	for _, address := range addresses {
		list = append(list, address.Prefix.String())
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}
