package takeover

import (
	"fmt"
	"slices"
	"strings"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
	"hawser/internal/plan"
)

// Protocols of routes whose setter renews them, as in rtnetlink(7).
const (
	byAdvertisement = 9
	byDHCP          = 16
)

const share = ": use attachment Shared, which leaves the NIC as it is"

// checkDatapath refuses one whose bridges are gone whenever ovs-vswitchd is: the node
// would be, too.
func checkDatapath(in Input) *plan.Problem {
	if !in.Userspace {
		return nil
	}
	return in.problem(kubeovnv1.ReasonUnsupported, "in the userspace datapath the node's network would end with ovs-vswitchd"+share)
}

// checkNames wants the NIC's other name to be free, or the bridge's that goes for it.
func checkNames(in Input) *plan.Problem {
	device := host.BridgeOf(in.provider())
	link, taken := in.Host.Link(device)
	nic, _ := in.Link()
	goes := slices.ContainsFunc(in.Stands.Steps, func(s host.Step) bool { return s.Uplink.Bridge == device })
	if !in.Node.Spec.ExchangeLinkName || !taken || link.Index == nic.Index || goes {
		return nil
	}
	return in.problem(kubeovnv1.ReasonReservedName, fmt.Sprintf("%s would be named %s, which is there already: rename that, or name the provider network otherwise", in.nic(), device))
}

// checkNIC refuses a NIC that cannot be a port of Open vSwitch's without loss to
// somebody else.
func checkNIC(in Input) *plan.Problem {
	link, _ := in.Link()
	var reason string
	switch {
	case link.Kind == "bridge":
		reason = "is a Linux bridge"
	case host.MadeBySwitch(link.Kind):
		reason = "is made by a program that reads it" // ours could not be told from it
	case link.Master != "" && link.Master != "ovs-system":
		reason = "is a port of " + link.Master
	case len(in.above()) > 0:
		reason = "has " + strings.Join(in.above(), ", ") + " on top"
	default:
		return nil
	}
	return in.problem(kubeovnv1.ReasonInterfaceInUse, in.nic()+" "+reason+", so that it cannot be taken over"+share)
}

// above are the devices on the NIC that would hear nothing any more. VLANs still
// do: the kernel takes their frames before Open vSwitch.
func (in Input) above() []string {
	return append(in.uppers(func(kind string) bool { return kind != "vlan" }), in.Lent...)
}

func (in Input) vlans() []string {
	return in.uppers(func(kind string) bool { return kind == "vlan" })
}

func (in Input) uppers(of func(kind string) bool) (out []string) {
	nic, _ := in.Link()
	for _, name := range in.Host.Uppers(nic.Name) {
		if upper, _ := in.Host.Link(name); of(upper.Kind) {
			out = append(out, name)
		}
	}
	return out
}

// checkBelongings refuses what somebody renews by the NIC's name, and what cannot
// be moved.
func checkBelongings(in Input) *plan.Problem {
	if in.Has.VRRP && !in.Node.Spec.ExchangeLinkName && len(in.Stands.Steps) == 0 {
		return in.problem(kubeovnv1.ReasonInterfaceInUse, in.nic()+" is the interface of a VRRP daemon, such as Keepalived, which would find no address there any more: set exchangeLinkName, so that it finds the bridge, or use attachment Shared")
	}
	for _, address := range in.Has.Addresses {
		if address.Leased && !address.LinkLocal {
			return in.dynamic(address.Prefix.String())
		}
	}
	for _, route := range in.Has.Routes {
		if route.Protocol == byDHCP || route.Protocol == byAdvertisement {
			return in.dynamic("the " + route.Text())
		}
		if route.Object != 0 {
			return in.problem(kubeovnv1.ReasonUnsupported, fmt.Sprintf("the %s of %s is by a nexthop object, which is not moved: give it plain hops, or use attachment Shared", route.Text(), in.nic()))
		}
	}
	return nil
}

func (in Input) dynamic(what string) *plan.Problem {
	return in.problem(kubeovnv1.ReasonDynamicAddress, fmt.Sprintf("%s has %s from DHCP or router advertisements, and whoever renews it knows the NIC and not the bridge%s, or give it a static address", in.nic(), what, share))
}
