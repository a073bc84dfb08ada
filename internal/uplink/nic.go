package uplink

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hawser/internal/host"
)

// links are the network devices of the host.
type links struct {
	handle *netlink.Handle
	tool   toggler
}

// toggler is what is used of ethtool(8)'s socket.
type toggler interface {
	Features(device string) (map[string]bool, error)
	Change(device string, to map[string]bool) error
	Close()
}

// isPromisc reads the NIC's own bit, which `ip link` shows as well. What packet
// sockets ask for is counted elsewhere.
func isPromisc(nic netlink.Link) bool { return nic.Attrs().RawFlags&unix.IFF_PROMISC != 0 }

func (l *links) setPromisc(nic netlink.Link, on bool) error {
	if on == isPromisc(nic) {
		return nil
	}
	set := l.handle.SetPromiscOff
	if on {
		set = l.handle.SetPromiscOn
	}
	if err := set(nic); err != nil {
		return fmt.Errorf("set promisc of %s to %v: %w", nic.Attrs().Name, on, err)
	}
	return nil
}

// members are the NIC and what it stands on: members of a bond, a team or a
// bridge, the device below a VLAN. Most NICs stand on nothing, and then the
// links of all pods need not be read.
func (l *links) members(nic netlink.Link) ([]string, error) {
	if !stacked(nic) && !gathers(nic) {
		return []string{nic.Attrs().Name}, nil
	}
	links, err := dump(l.handle.LinkList)
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	found := []netlink.Link{nic}
	for i := 0; i < len(found); i++ {
		for _, link := range links {
			if isBelow(link, found[i]) && !containsLink(found, link) {
				found = append(found, link)
			}
		}
	}
	names := make([]string, 0, len(found))
	for _, link := range found {
		names = append(names, link.Attrs().Name)
	}
	return names, nil
}

func isBelow(lower, upper netlink.Link) bool {
	if lower.Attrs().MasterIndex == upper.Attrs().Index {
		return true
	}
	return stacked(upper) && upper.Attrs().ParentIndex == lower.Attrs().Index
}

// gathers tells whether a device has members.
func gathers(link netlink.Link) bool {
	return slices.Contains([]string{"bond", "team", "bridge", "hsr"}, link.Type())
}

// stacked tells whether a device stands on the one that it names as its parent. A
// veth names its peer.
func stacked(link netlink.Link) bool {
	return slices.Contains([]string{"vlan", "macvlan", "macvtap", "ipvlan"}, link.Type())
}

func containsLink(links []netlink.Link, link netlink.Link) bool {
	return slices.ContainsFunc(links, func(l netlink.Link) bool { return l.Attrs().Index == link.Attrs().Index })
}

const featureLRO = "rx-lro"

// withLRO are those devices of which LRO is on.
func (l *links) withLRO(devices []string) []string {
	return slices.DeleteFunc(slices.Clone(devices), func(device string) bool {
		features, err := l.tool.Features(device)
		return err != nil || !features[featureLRO]
	})
}

// setLRO changes what can be changed; what stays on is a Limit. Frames that LRO
// has merged cannot be passed on.
func (l *links) setLRO(devices []string, on bool) {
	for _, device := range devices {
		if features, err := l.tool.Features(device); err == nil && features[featureLRO] != on {
			_ = l.tool.Change(device, map[string]bool{featureLRO: on})
		}
	}
}

// Reasons of a host.UplinkLimit.
const (
	LimitLRO  = "LROStuck"    // received frames are merged and cannot be passed on
	LimitVLAN = "VLANFilter"  // frames of VLANs that the host does not use are dropped
	LimitXDP  = "XDPAttached" // an XDP program sees frames before us and may keep them
)

func (l *links) limits(nic netlink.Link) ([]host.UplinkLimit, error) {
	names, err := l.members(nic)
	if err != nil {
		return nil, err
	}
	var out []host.UplinkLimit
	for _, name := range l.withLRO(names) {
		out = append(out, host.UplinkLimit{Reason: LimitLRO, Message: name + " keeps merging frames that it receives (LRO): switch it off in its driver's options, pods get no large frames otherwise"})
	}
	for _, name := range names {
		link, err := l.find(name)
		if err != nil {
			continue // it went since
		}
		out = append(out, limitsOf(link)...)
	}
	return out, nil
}

func limitsOf(link netlink.Link) (out []host.UplinkLimit) {
	name := link.Attrs().Name
	if xdp := link.Attrs().Xdp; xdp != nil && xdp.Attached {
		out = append(out, host.UplinkLimit{Reason: LimitXDP, Message: fmt.Sprintf("an XDP program (number %d) on %s sees frames before the provider network does: pods lack whatever it keeps", xdp.ProgId, name)})
	}
	if bridge, is := link.(*netlink.Bridge); is && bridge.VlanFiltering != nil && *bridge.VlanFiltering {
		out = append(out, host.UplinkLimit{Reason: LimitVLAN, Message: fmt.Sprintf("the Linux bridge %s filters VLANs: let those of the provider network through with 'bridge vlan add vid <VLAN> dev %s self'", name, name)})
	}
	if isVirtualFunction(name) {
		out = append(out, host.UplinkLimit{Reason: LimitVLAN, Message: name + " is a virtual function: its physical function has to be told to trust it ('ip link set <PF> vf <n> trust on spoofchk off') and which VLANs to pass"})
	}
	return out
}

func isVirtualFunction(device string) bool {
	_, err := os.Stat(filepath.Join("/sys/class/net", device, "device/physfn"))
	return err == nil
}
