package takeover

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"hawser/internal/host"
)

// naming gives NICs other names.
type naming struct {
	*door
	addressing
	ruling
}

// rename gives the NIC a name while it is up. Rules of its old name are there for
// the new one before; labels of addresses, which the kernel changes with the
// name, are set again as they were. A NIC that has the name already, and of whose
// labels nothing is known (nil), stays as it is.
func (n naming) rename(u host.Uplink, to string, labels map[string]string) error {
	nic, err := n.mustNIC(u)
	if err != nil {
		return err
	}
	if nic.name != to {
		if labels, err = n.labels(nic); err != nil {
			return err
		}
		rules, err := n.rules(nic.name)
		if err != nil {
			return err
		}
		if err := n.nameAlso(rules, nic.name, to); err != nil {
			return err
		}
		if err := n.setName(nic, to); err != nil {
			return err
		}
	}
	if labels == nil {
		return nil
	}
	return n.relabel(device{index: nic.index, name: to}, labels)
}

// setName renames. Another name that udev has noted of the NIC may be the very one.
func (n naming) setName(nic device, to string) error {
	link, err := n.handle.LinkByIndex(nic.index)
	if err != nil {
		return fmt.Errorf("find %s: %w", nic.name, err)
	}
	if slices.Contains(link.Attrs().AltNames, to) {
		if err := n.handle.LinkDelAltName(link, to); err != nil {
			return fmt.Errorf("delete the second name %s of %s: %w", to, nic.name, err)
		}
	}
	err = n.handle.LinkSetName(link, to)
	if errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("%w: it renames no device that is up: use Linux 6.2, or no exchangeLinkName", host.ErrTakeoverUnsupported)
	}
	if err != nil {
		return fmt.Errorf("rename %s to %s: %w", nic.name, to, err)
	}
	return nil
}

// labels are those of a device's addresses that are not just its name.
func (n naming) labels(of device) (map[string]string, error) {
	addresses, err := n.addresses(of)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, address := range addresses {
		if label := address.text(unix.IFA_LABEL); label != "" && label != of.name {
			out[prefixOf(address).String()] = label
		}
	}
	return out, nil
}

// relabel gives addresses of IPv4 their labels. The kernel changes none: they are
// taken and given anew, while lo holds them, and a route stands in for the one to
// each network. One address stays all the time, because the kernel deletes all
// routes of a device with its last one.
func (n naming) relabel(on device, labels map[string]string) error {
	all, err := n.addresses(on)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(a message) bool { return a.family() != unix.AF_INET })
	if !slices.ContainsFunc(all, func(a message) bool { return a.text(unix.IFA_LABEL) != labelOf(a, on, labels) }) {
		return nil
	}
	routes := standIns(all, on)
	anchor := anchorOf(all[0])
	if err := n.give(anchor); err != nil {
		return err
	}
	for _, route := range routes {
		if err := n.send(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_APPEND, route, unix.EEXIST); err != nil {
			return fmt.Errorf("add route %s by %s: %w", destinationOf(route), on.name, err)
		}
	}
	if err := n.take(all); err != nil {
		return err
	}
	for _, address := range all {
		if err := n.give(flagged(address.with(unix.IFA_LABEL, text(labelOf(address, on, labels))), flagsOf(address)&givenFlags)); err != nil {
			return err
		}
	}
	for _, route := range routes {
		if err := n.send(unix.RTM_DELROUTE, 0, route, unix.ESRCH); err != nil {
			return fmt.Errorf("delete route %s by %s: %w", destinationOf(route), on.name, err)
		}
	}
	return n.take([]message{anchor})
}

func labelOf(address message, on device, labels map[string]string) string {
	if label, ok := labels[prefixOf(address).String()]; ok {
		return label
	}
	return on.name
}

// anchorOf is an address as a single host's, which makes no route.
func anchorOf(address message) message {
	out := flagged(address.without(unix.IFA_LABEL, unix.IFA_BROADCAST), unix.IFA_F_NOPREFIXROUTE)
	out.header[addressBits] = 32
	if address.header[addressBits] == 32 {
		out.header[addressBits] = 31
	}
	return out
}

// standIns are routes to the networks of addresses, in the place of the kernel's.
func standIns(addresses []message, on device) (out []message) {
	for _, address := range addresses {
		prefix := prefixOf(address)
		if prefix.IsSingleIP() || flagsOf(address)&(unix.IFA_F_NOPREFIXROUTE|unix.IFA_F_SECONDARY) != 0 {
			continue
		}
		route := message{header: []byte{unix.AF_INET, byte(prefix.Bits()), 0, 0, unix.RT_TABLE_MAIN, host.RouteProtocol, unix.RT_SCOPE_LINK, unix.RTN_UNICAST, 0, 0, 0, 0}}
		route = route.with(unix.RTA_DST, prefix.Masked().Addr().AsSlice()).with(unix.RTA_OIF, number(uint32(on.index)))
		out = append(out, route.with(unix.RTA_PREFSRC, prefix.Addr().AsSlice()))
	}
	return out
}
