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
	// Managed are the devices that NetworkManager manages.
	Managed   []string
	Userspace bool // the datapath runs in ovs-vswitchd
}

// Result is what is to be done.
type Result struct {
	Uplink host.Uplink
	Plan   host.Plan
	// Kept tells that Kube-OVN has done it already, and nothing is changed.
	Kept bool
	// Stays are the devices on the NIC that are left where they are.
	Stays []string
	has   host.Belongings
}

// Plan says how the NIC is taken over, or why it cannot be.
func Plan(in Input) (*Result, *plan.Problem) {
	if bridge, found := in.kept(); found {
		up := in.uplink(bridge.Name != host.BridgeOf(in.provider()))
		return &Result{Uplink: up, Plan: planOf(up, host.ActionKeep, host.ActionMapping), Kept: true}, nil
	}
	for _, check := range []func(Input) *plan.Problem{checkBuilt, checkNames, checkNIC, checkBelongings} {
		if problem := check(in); problem != nil {
			return nil, problem
		}
	}
	up := in.uplink(in.Node.Spec.ExchangeLinkName)
	return &Result{Uplink: up, Plan: Steps(up), Stays: in.vlans(), has: in.Has}, nil
}

// kept finds the bridge that a Kube-OVN made of the NIC: it has Kube-OVN's mark and
// no owner, and the NIC, under one of its two names, as its port.
func (in Input) kept() (host.Installed, bool) {
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

// link is the NIC, under the name that it has now.
func (in Input) link() (host.Link, bool) {
	for _, bridge := range in.Host.Bridges {
		device := host.BridgeOf(in.provider())
		if bridge.Name == in.nic() && slices.Contains(bridge.Ports, device) {
			return in.Host.Link(device)
		}
	}
	return in.Host.Link(in.nic())
}

func (in Input) uplink(exchange bool) host.Uplink {
	link, _ := in.link()
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
