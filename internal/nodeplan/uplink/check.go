package uplink

import (
	"fmt"
	"path"
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
var ours = []string{"hwo", "hww", "hwv", "ovs-", "genev_sys_", "br-int", "br-encap"}

// checkName guards the bridge's name. Admission has checked it too, but the
// bridge on this node may be somebody else's.
func checkName(in Input) *plan.Problem {
	name, bridge := in.provider(), host.BridgeOf(in.provider())
	if len(name) > longest || slices.Contains(reserved, name) {
		return in.problem(kubeovnv1.ReasonReservedName, fmt.Sprintf("%q cannot name a provider network: its bridge %s is reserved or too long", name, bridge))
	}
	for _, have := range in.Host.Bridges {
		if have.Name == bridge && have.Owner != Owner(name) && !in.inherits(have) {
			return in.problem(kubeovnv1.ReasonReservedName, fmt.Sprintf("bridge %s is on this node and not ours: remove it, or name the provider network otherwise", bridge))
		}
	}
	nic, _ := in.first().link()
	if link, found := in.Host.Link(bridge); found && link.Index != nic.Index && !in.bridged(bridge) && !host.MadeBySwitch(link.Kind) {
		return in.problem(kubeovnv1.ReasonReservedName, fmt.Sprintf("a device named %s is on this node and not ours: rename it, or name the provider network otherwise", bridge))
	}
	return nil
}

// inherits tells whether a bridge is what a Kube-OVN made of the NIC and is to stay,
// or was noted to be that; or all that a boot has left of it.
func (in Input) inherits(bridge host.Installed) bool {
	c := in.first()
	kept, found := c.takeover().Kept()
	stays := found && kept.Name == bridge.Name && c.takesOver()
	left := !found && c.addressed(bridge.Name) == ""
	return bridge.KubeOVN && !in.several() && (stays || left || c.standing() == host.AttachTakeover)
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
	case len(spec.Interfaces) == 0:
		message = "no interface is named"
	case !in.several() && spec.Mode == kubeovnv1.UplinkLACP:
		message = "mode LACP needs several interfaces: one alone never agrees with a switch that waits for a bond"
	case in.bonded() && spec.Attachment == kubeovnv1.AttachmentShared:
		message = fmt.Sprintf("mode %s of shared NICs is not built yet: loopProtection Refuse has one of them take part at a time", spec.Mode)
	case in.several() && in.asksTakeover():
		message = "attachment Takeover, exchangeLinkName and vlanInterfaces are for one interface: several join as ports, or shared"
	}
	if message == "" {
		return nil
	}
	return in.problem(kubeovnv1.ReasonUnsupported, message)
}

// checkStacked refuses NICs that are one: what one of them hears, the other does.
func checkStacked(in Input) *plan.Problem {
	named := in.Node.Spec.Interfaces
	for i, nic := range named {
		if slices.Contains(named[:i], nic) {
			return in.problem(kubeovnv1.ReasonInterfaceInUse, nic+" is named twice: name it once")
		}
		link, _ := in.Host.Link(nic)
		for _, below := range []string{link.Master, link.Parent} {
			if slices.Contains(named, below) && link.Kind != "vlan" {
				return in.problem(kubeovnv1.ReasonInterfaceInUse, fmt.Sprintf("%s and %s stand on each other: name one of them", nic, below))
			}
		}
	}
	return nil
}

// checkNIC refuses what is no NIC of the host's.
func checkNIC(c candidate) *plan.Problem {
	if c.excludes(c.nic) {
		return c.problem(kubeovnv1.ReasonInterfaceExcluded, c.nic+" is excluded by the agent's flag --nic-exclude")
	}
	link, found := c.link()
	if !found {
		return c.problem(kubeovnv1.ReasonInterfaceNotFound, c.nic+" is not on this node"+c.absence()+"; it joins as soon as it appears")
	}
	switch {
	case link.Loopback:
		return c.problem(kubeovnv1.ReasonInterfaceInUse, c.nic+" is the loopback")
	case attachment.IsOwner(link.Alias):
		return c.problem(kubeovnv1.ReasonInterfaceInUse, c.nic+" is the cable of a pod")
	case host.IsOwn(c.nic) || c.bridged(c.nic) && !c.takeover().Exchanged() || slices.ContainsFunc(ours, func(prefix string) bool { return strings.HasPrefix(c.nic, prefix) }):
		return c.problem(kubeovnv1.ReasonInterfaceInUse, c.nic+" belongs to the pod network itself")
	}
	return nil
}

// absence says why a NIC that is not there is not made.
func (c candidate) absence() string {
	below, _, ok := host.SubInterface(c.nic)
	switch {
	case !c.Node.Spec.AutoCreateVlanSubinterfaces:
		return ""
	case !ok:
		return ", and is no name of a VLAN sub-interface, such as eth0.100, which would be made"
	}
	return ", and neither is " + below + " below it"
}

// checkMade refuses to make a sub-interface of a NIC that is to be left alone, and to
// take over what is there for the pods anyway.
func checkMade(c candidate) *plan.Problem {
	link, _ := c.link()
	switch {
	case !c.made(link):
		return nil
	case c.excludes(link.Parent):
		return c.problem(kubeovnv1.ReasonInterfaceExcluded, fmt.Sprintf("%s, below %s, is excluded by the agent's flag --nic-exclude", link.Parent, c.nic))
	case c.asksTakeover():
		return c.problem(kubeovnv1.ReasonUnsupported, c.nic+" is made for this provider network and has nothing of the host's to take over: leave attachment and exchangeLinkName out")
	}
	return nil
}

func (in Input) excludes(nic string) bool {
	return slices.ContainsFunc(in.Options.Exclude, func(pattern string) bool {
		matched, err := path.Match(pattern, nic)
		return matched && err == nil
	})
}

// checkHolder refuses a NIC that is part of something greater, or of another
// provider network: the one where it stands, else the older one.
func checkHolder(c candidate) *plan.Problem {
	link, _ := c.link()
	if master, found := c.Host.Link(link.Master); found && (master.Kind == "bond" || master.Kind == "team") {
		return c.problem(kubeovnv1.ReasonInterfaceInUse, fmt.Sprintf("%s is a member of %s: name that", c.nic, master.Name))
	}
	if holder := c.holder(); holder != "" {
		return c.problem(kubeovnv1.ReasonInterfaceInUse, fmt.Sprintf("%s is the interface of provider network %s", c.nic, holder))
	}
	return nil
}

func (c candidate) holder() string {
	for provider, stands := range c.Stands {
		if _, found := standingOn(stands, c.nic); found {
			if provider == c.provider() {
				return ""
			}
			return provider
		}
	}
	first := c.Node
	for i := range c.Others {
		other := &c.Others[i]
		if slices.Contains(other.Spec.Interfaces, c.nic) && older(other, first) {
			first = other
		}
	}
	if first == c.Node {
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
func (c candidate) obstacle() string {
	link, _ := c.link()
	if bridge, found := c.Host.BridgeWith(link.Name); found {
		return c.otherPort(bridge)
	}
	if link.Master != "" {
		return "is a port of " + link.Master
	}
	if link.Kind == "bridge" || link.Kind == "team" {
		return "is a " + link.Kind
	}
	if above := c.Host.Uppers(link.Name); len(above) > 0 {
		return "has " + strings.Join(above, ", ") + " on top"
	}
	if lent := c.Lent[c.nic]; len(lent) > 0 {
		return "has " + strings.Join(lent, ", ") + " on top, in other network namespaces"
	}
	return c.addressed(link.Name)
}

// otherPort is about a NIC that is a port of a bridge already. Once it was taken
// over, its addresses come back to it.
func (c candidate) otherPort(bridge host.Installed) string {
	switch {
	case bridge.Owner != Owner(c.provider()):
		return "is a port of " + bridge.Name
	case c.standing() == host.AttachTakeover:
		return c.addressed(bridge.Name)
	}
	return ""
}

func (c candidate) addressed(link string) string {
	if slices.ContainsFunc(c.Host.Addresses, func(a host.Address) bool { return a.Link == link }) {
		return "has addresses of the host"
	}
	return ""
}
