package takeover

import (
	"slices"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
	"hawser/internal/logical"
	"hawser/internal/plan"
)

// Input is all that the plan of a takeover depends on.
type Input struct {
	// Node is what is wanted, of one interface.
	Node *kubeovnv1.ProviderNetworkNode
	Host host.Snapshot
	// Has is what the NIC has. After a takeover that is next to nothing.
	Has host.Belongings
	// Managed are the devices that NetworkManager manages, and Profile what it keeps
	// to on the NIC, if that is one of them.
	Managed []string
	Profile host.Profile
	// Lent are the devices in other network namespaces that stand on the NIC.
	Lent []string
	// Stands is what was carried out of the provider network, or begun.
	Stands    host.Plan
	Userspace bool // the datapath runs in ovs-vswitchd
}

// Result is what is to be done.
type Result struct {
	Uplink host.Uplink
	Plan   host.Plan
	// Kept tells that Kube-OVN has done it already, and nothing is changed.
	Kept bool
	// Stays are the VLAN sub-interfaces, which the host keeps where they are: all of
	// them, whether vlanInterfaces names them or not. Absent are those that it names
	// and the node has not.
	Stays, Absent []string
	// Astray is what somebody has put on the NIC although it is taken over.
	Astray  []string
	has     host.Belongings
	profile host.Profile
}

// Plan says how the NIC is taken over, or why it cannot be.
func Plan(in Input) (*Result, *plan.Problem) {
	if bridge, found := in.Kept(); found {
		up := in.uplink(bridge.Name != host.BridgeOf(in.provider()))
		return &Result{Uplink: up, Plan: planOf(up, host.ActionKeep, host.ActionMapping), Kept: true}, nil
	}
	for _, check := range []func(Input) *plan.Problem{checkDatapath, checkManaged, checkNames, checkNIC, checkBelongings} {
		if problem := check(in); problem != nil {
			return nil, problem
		}
	}
	up := in.uplink(in.Node.Spec.ExchangeLinkName)
	up.Managed = in.managed()
	return &Result{Uplink: up, Plan: Steps(up), Stays: in.vlans(), Absent: in.absent(), Astray: in.astray(up), has: in.Has, profile: in.Profile}, nil
}

// astray is what the host has on a NIC that is a port of its bridge, but for what
// the kernel itself may put there.
func (in Input) astray(up host.Uplink) []string {
	if bridge, _ := in.Host.BridgeWith(up.Device()); bridge.Name != up.Bridge {
		return nil
	}
	own := func(a host.HeldAddress) bool { return a.LinkLocal }
	return host.Belongings{Addresses: slices.DeleteFunc(slices.Clone(in.Has.Addresses), own), Routes: in.Has.Routes}.Lines()
}

func (in Input) absent() []string {
	stay := in.vlans()
	return slices.DeleteFunc(slices.Clone(in.Node.Spec.VlanInterfaces), func(name string) bool { return slices.Contains(stay, name) })
}

// Kept finds the bridge that a Kube-OVN made of the NIC: it has Kube-OVN's mark and
// no owner, and the NIC, under one of its two names, as its port.
func (in Input) Kept() (host.Installed, bool) {
	own := host.BridgeOf(in.provider())
	for _, bridge := range in.Host.Bridges {
		plain := bridge.Name == own && slices.Contains(bridge.Ports, in.nic())
		exchanged := bridge.Name == in.nic() && slices.Contains(bridge.Ports, own)
		if bridge.KubeOVN && (plain || exchanged) {
			return bridge, true
		}
	}
	return host.Installed{}, false
}

func (in Input) nic() string { return in.Node.Spec.Interfaces[0] }

func (in Input) provider() string { return in.Node.Spec.ProviderNetwork }

// Link is the NIC, under the name that it has now.
func (in Input) Link() (host.Link, bool) {
	if !in.Exchanged() {
		return in.Host.Link(in.nic())
	}
	return in.Host.NIC(host.Uplink{Provider: in.provider(), NIC: in.nic(), Attachment: host.AttachTakeover, Exchange: true})
}

// Exchanged tells whether NIC and bridge may have exchanged their names: by the
// journal, if only half-way, or by Open vSwitch.
func (in Input) Exchanged() bool {
	begun := slices.ContainsFunc(in.Stands.Steps, func(s host.Step) bool { return s.Uplink.NIC == in.nic() && s.Uplink.Exchange })
	return begun || slices.ContainsFunc(in.Host.Bridges, func(b host.Installed) bool {
		return b.Name == in.nic() && slices.Contains(b.Ports, host.BridgeOf(in.provider()))
	})
}

func (in Input) uplink(exchange bool) host.Uplink {
	link, _ := in.Link()
	up := host.Uplink{
		Provider: in.provider(), NIC: in.nic(), Index: link.Index, Attachment: host.AttachTakeover,
		Bridge: host.BridgeOf(in.provider()), MTU: link.MTU, MAC: link.MAC, Exchange: exchange, Userspace: in.Userspace,
	}
	if exchange {
		up.Bridge = up.NIC
	}
	return up
}

func (in Input) problem(reason, message string) *plan.Problem {
	owner := logical.Owner{Kind: "ProviderNetworkNode", Name: in.Node.Name}
	return &plan.Problem{Object: owner, Reason: plan.Reason(reason), Message: message}
}
