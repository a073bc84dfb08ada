package uplink

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"

	"hawser/internal/host"
)

// seeds are what the programs are told of the host.
type seeds struct {
	links
	shelf
}

// seed tells the programs whose addresses never are behind the bridge: the
// host's own on this NIC, and those of its next hops. They learn the first by
// themselves as well, from what the host sends; seeding makes it certain.
func (s *seeds) seed(u host.Uplink) error {
	want, err := s.knownStations(u)
	if err != nil {
		return fmt.Errorf("seed the stations of uplink %s: %w", u.NIC, err)
	}
	opened, err := s.openMap(u, mapKnown)
	if err != nil {
		return err
	}
	defer opened.Close()
	have, err := readAll[uint32](opened)
	if err != nil {
		return fmt.Errorf("read the seeds of uplink %s: %w", u.NIC, err)
	}
	if maps.Equal(have, want) {
		return nil
	}
	return keepKnown(opened, have, want)
}

func keepKnown(opened *ebpf.Map, have, want map[station]uint32) error {
	var errs []error
	for s, role := range want {
		if have[s] != role {
			errs = append(errs, opened.Put(s, role))
		}
	}
	for s := range have {
		if _, wanted := want[s]; !wanted {
			errs = append(errs, remove(opened, s))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("write the seeds: %w", err)
	}
	return nil
}

// leg is a device by which the host is on the wire, and the VLAN that it is in.
type leg struct {
	link netlink.Link
	vlan uint16
}

// knownStations are by VLAN: the same address may be somebody else's in another.
func (s *seeds) knownStations(u host.Uplink) (map[station]uint32, error) {
	nic, err := s.find(u.NIC)
	if err != nil {
		return nil, err
	}
	links, err := dump(s.handle.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	found := map[station]uint32{}
	legs := legsOf(nic, links)
	for _, l := range legs {
		hops, err := s.hopsOf(l.link)
		if err != nil {
			return nil, err
		}
		for _, mac := range hops {
			found[station{VLAN: l.vlan, MAC: mac}] = roleHop
		}
	}
	for _, l := range legs {
		if mac := macOf(l.link); !mac.IsZero() {
			found[station{VLAN: l.vlan, MAC: mac}] = roleHost
		}
	}
	return found, nil
}

// legsOf are the NIC and what stands on it: VLANs, macvlans, a bridge that it is
// a port of, and what stands on those.
func legsOf(nic netlink.Link, links []netlink.Link) []leg {
	legs := []leg{{link: nic}}
	for i := 0; i < len(legs); i++ {
		for _, link := range links {
			if isLeg(legs, link) || !isBelow(legs[i].link, link) || isSwitch(link) {
				continue
			}
			next := leg{link: link, vlan: legs[i].vlan}
			if vlan, is := link.(*netlink.Vlan); is && next.vlan == 0 {
				next.vlan = uint16(vlan.VlanId)
			}
			legs = append(legs, next)
		}
	}
	return legs
}

func isLeg(legs []leg, link netlink.Link) bool {
	for _, l := range legs {
		if l.link.Attrs().Index == link.Attrs().Index {
			return true
		}
	}
	return false
}

// isSwitch keeps Open vSwitch's datapath out, whose ports are no part of the host.
func isSwitch(link netlink.Link) bool { return link.Type() == "openvswitch" }

// hopsOf are the addresses of next hops by a device, as far as it has them.
func (l *links) hopsOf(device netlink.Link) ([]host.MAC, error) {
	gateways, err := listGateways(device.Attrs().Index)
	if err != nil || len(gateways) == 0 {
		return nil, err
	}
	list := func() ([]netlink.Neigh, error) {
		return l.handle.NeighListExecute(netlink.Ndmsg{Index: uint32(device.Attrs().Index)})
	}
	neighbours, err := dump(list)
	if err != nil {
		return nil, fmt.Errorf("list neighbours: %w", err)
	}
	var found []host.MAC
	for _, neighbour := range neighbours {
		ip, _ := netip.AddrFromSlice(neighbour.IP)
		if gateways[ip.Unmap()] && len(neighbour.HardwareAddr) == len(host.MAC{}) {
			found = append(found, host.MAC(neighbour.HardwareAddr))
		}
	}
	return found, nil
}
