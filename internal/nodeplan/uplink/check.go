package uplink

import (
	"fmt"
	"slices"
	"strings"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
	"hawser/internal/nodeplan/attachment"
	"hawser/internal/plan"
)

// longest is how long a provider network's name may be, so that its bridge fits
// a link's name of 15 bytes.
const longest = 12

// reserved are names whose bridge would be another's.
var reserved = []string{"int", "phy", "encap", "external"}

// ours are the beginnings of the names of devices that we or Open vSwitch make.
var ours = []string{"hwo", "hww", "ovs-", "genev_sys_", "br-int", "br-encap"}

// checkName guards the bridge's name. Admission has checked it too, but the
// bridge on this node may be somebody else's.
func checkName(in Input) *plan.Problem {
	name, bridge := in.provider(), host.BridgeOf(in.provider())
	if len(name) > longest || slices.Contains(reserved, name) {
		return in.problem(kubeovnv1.ReasonReservedName, fmt.Sprintf("%q cannot name a provider network: its bridge %s is reserved or too long", name, bridge))
	}
	for _, have := range in.Host.Bridges {
		if have.Name == bridge && have.Owner != Owner(name) && !inherits(in, have) {
			return in.problem(kubeovnv1.ReasonReservedName, fmt.Sprintf("bridge %s is on this node and not ours: remove it, or name the provider network otherwise", bridge))
		}
	}
	nic, _ := in.Link()
	if link, found := in.Host.Link(bridge); found && link.Index != nic.Index && !in.bridged(bridge) && link.Kind != "openvswitch" && link.Kind != "tuntap" {
		return in.problem(kubeovnv1.ReasonReservedName, fmt.Sprintf("a device named %s is on this node and not ours: rename it, or name the provider network otherwise", bridge))
	}
	return nil
}

// inherits tells whether a bridge is what a Kube-OVN made of the NIC and is to stay,
// or was noted to be that; or all that a boot has left of it.
func inherits(in Input, bridge host.Installed) bool {
	kept, found := in.takeover().Kept()
	stays := found && kept.Name == bridge.Name && in.takesOver()
	left := !found && addressed(bridge.Name, in.Host) == ""
	return bridge.KubeOVN && (stays || left || in.standing() == host.AttachTakeover)
}

func (in Input) bridged(name string) bool {
	return slices.ContainsFunc(in.Host.Bridges, func(b host.Installed) bool { return b.Name == name })
}

// Owner is whose the bridge of a provider network is in Open vSwitch.
func Owner(provider string) string { return "ProviderNetwork//" + provider }

// checkBuilt refuses what would need parts that are not there yet.
func checkBuilt(in Input) *plan.Problem {
	spec := in.Node.Spec
	message := ""
	switch {
	case len(spec.Interfaces) != 1:
		message = fmt.Sprintf("several interfaces (%s) are not built yet: name one; a bond of the host can be it", strings.Join(spec.Interfaces, ", "))
	case spec.Mode != "" && spec.Mode != kubeovnv1.UplinkBridge:
		message = fmt.Sprintf("mode %s is not built yet: let the host make the bond, and name it", spec.Mode)
	case spec.LoopProtection == kubeovnv1.LoopRSTP:
		message = "loopProtection RSTP is not built yet; one interface needs none"
	}
	if message == "" {
		return nil
	}
	return in.problem(kubeovnv1.ReasonUnsupported, message)
}

// checkNIC refuses what is no NIC of the host's.
func checkNIC(in Input) *plan.Problem {
	nic := in.nic()
	if in.excluded() {
		return in.problem(kubeovnv1.ReasonInterfaceExcluded, nic+" is excluded by the agent's flag --nic-exclude")
	}
	link, found := in.Link()
	if !found {
		message := nic + " is not on this node; it joins as soon as it appears"
		if in.Node.Spec.AutoCreateVlanSubinterfaces {
			message += " (autoCreateVlanSubinterfaces is not built yet)"
		}
		return in.problem(kubeovnv1.ReasonInterfaceNotFound, message)
	}
	switch {
	case link.Loopback:
		return in.problem(kubeovnv1.ReasonInterfaceInUse, nic+" is the loopback")
	case attachment.IsOwner(link.Alias):
		return in.problem(kubeovnv1.ReasonInterfaceInUse, nic+" is the cable of a pod")
	case host.IsOwn(nic) || in.bridged(nic) && !in.takeover().Exchanged() || slices.ContainsFunc(ours, func(prefix string) bool { return strings.HasPrefix(nic, prefix) }):
		return in.problem(kubeovnv1.ReasonInterfaceInUse, nic+" belongs to the pod network itself")
	}
	return nil
}

// checkHolder refuses a NIC that is part of something greater, or of another
// provider network: the one where it stands, else the older one.
func checkHolder(in Input) *plan.Problem {
	nic := in.nic()
	link, _ := in.Link()
	if master, found := in.Host.Link(link.Master); found && (master.Kind == "bond" || master.Kind == "team") {
		return in.problem(kubeovnv1.ReasonInterfaceInUse, fmt.Sprintf("%s is a member of %s: name that", nic, master.Name))
	}
	if holder := in.holder(); holder != "" {
		return in.problem(kubeovnv1.ReasonInterfaceInUse, fmt.Sprintf("%s is the interface of provider network %s", nic, holder))
	}
	return nil
}

func (in Input) holder() string {
	for provider, stands := range in.Stands {
		if _, found := standingOn(stands, in.nic()); found {
			if provider == in.provider() {
				return ""
			}
			return provider
		}
	}
	first := in.Node
	for i := range in.Others {
		other := &in.Others[i]
		if slices.Contains(other.Spec.Interfaces, in.nic()) && older(other, first) {
			first = other
		}
	}
	if first == in.Node {
		return ""
	}
	return first.Spec.ProviderNetwork
}

func older(a, b *kubeovnv1.ProviderNetworkNode) bool {
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return a.Name < b.Name
}

// obstacle says why a NIC cannot be a port of the bridge; "" if it can.
func (in Input) obstacle() string {
	link, _ := in.Link()
	if bridge, found := in.Host.BridgeWith(link.Name); found {
		return otherPort(in, bridge)
	}
	if link.Master != "" {
		return "is a port of " + link.Master
	}
	if link.Kind == "bridge" || link.Kind == "team" {
		return "is a " + link.Kind
	}
	if above := in.Host.Uppers(link.Name); len(above) > 0 {
		return "has " + strings.Join(above, ", ") + " on top"
	}
	if len(in.Lent) > 0 {
		return "has " + strings.Join(in.Lent, ", ") + " on top, in other network namespaces"
	}
	return addressed(link.Name, in.Host)
}

// otherPort is about a NIC that is a port of a bridge already. Once it was taken
// over, its addresses come back to it.
func otherPort(in Input, bridge host.Installed) string {
	switch {
	case bridge.Owner != Owner(in.provider()):
		return "is a port of " + bridge.Name
	case in.standing() == host.AttachTakeover:
		return addressed(bridge.Name, in.Host)
	}
	return ""
}

func addressed(link string, on host.Snapshot) string {
	if slices.ContainsFunc(on.Addresses, func(a host.Address) bool { return a.Link == link }) {
		return "has addresses of the host"
	}
	return ""
}
