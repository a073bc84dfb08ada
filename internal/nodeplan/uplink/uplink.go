// Package uplink plans how a node's NIC joins a provider network: which way,
// whether it may, and by which steps.
//
//	ProviderNetworkNode ─┐            ┌─▶ host.Plan, to be shown, approved, done
//	the host as it is ───┼─▶ Plan ────┤
//	what stands already ─┘            └─▶ or one Problem: all stays as it is
//
// It is pure. What it refuses it refuses before anything is touched: a NIC that
// does not exist, that is excluded, that is ours or somebody else's. It does not
// decide whether a plan may be carried out now, and it never plans to change
// what the host itself has on a NIC.
package uplink

import (
	"path"
	"slices"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
	"hawser/internal/logical"
	"hawser/internal/plan"
)

// Options are the agent's settings that a plan depends on.
type Options struct {
	Exclude []string // names and patterns of path.Match of NICs that nobody may use
	Mark    uint32   // of skb->mark, for "bridged already"
}

// Input is all that a plan depends on.
type Input struct {
	Options Options
	Node    *kubeovnv1.ProviderNetworkNode
	// Others are the parts of this node in other provider networks.
	Others []kubeovnv1.ProviderNetworkNode
	Host   host.Snapshot
	// Stands are the plans that were carried out, by provider network.
	Stands map[string]host.Plan
	// Managed are the devices that NetworkManager manages.
	Managed []string
	// Lent are the devices in other network namespaces that stand on the NIC; of
	// one that has joined nobody asks.
	Lent      []string
	Userspace bool // the datapath runs in ovs-vswitchd
}

// Result is what is to be done.
type Result struct {
	Uplink host.Uplink
	Plan   host.Plan
}

// Plan says how the node joins, or why it cannot.
func Plan(in Input) (*Result, *plan.Problem) {
	for _, check := range []func(Input) *plan.Problem{checkName, checkBuilt, checkNIC, checkHolder} {
		if problem := check(in); problem != nil {
			return nil, problem
		}
	}
	attachment, problem := attach(in)
	if problem != nil {
		return nil, problem
	}
	up := in.uplink(attachment)
	return &Result{Uplink: up, Plan: steps(up)}, nil
}

// nic is the one NIC that joins; checkBuilt has seen that there is no other.
func (in Input) nic() string { return in.Node.Spec.Interfaces[0] }

func (in Input) provider() string { return in.Node.Spec.ProviderNetwork }

func (in Input) uplink(attachment host.Attachment) host.Uplink {
	link, _ := in.Host.Link(in.nic())
	up := host.Uplink{Provider: in.provider(), NIC: link.Name, Attachment: attachment, Bridge: host.BridgeOf(in.provider())}
	if attachment == host.AttachShared {
		up = host.SharedUplink(in.provider(), link.Name)
		up.Mark, up.TrustPods = in.Options.Mark, in.Node.Spec.TrustPods
	}
	up.Index, up.MTU, up.Userspace = link.Index, link.MTU, in.Userspace
	return up
}

// steps are in an order in which no frame of the host ever lacks a way, and in
// which ovn-controller hears of the network last.
func steps(up host.Uplink) host.Plan {
	actions := portActions(up)
	switch {
	case up.Attachment == host.AttachShared:
		actions = sharedActions(up)
	case up.NIC == "":
		actions = []host.Action{host.ActionBridge, host.ActionMapping} // a stray whose NIC is gone
	}
	out := host.Plan{}
	for _, action := range actions {
		out.Steps = append(out.Steps, host.Step{Action: action, Uplink: up})
	}
	return out
}

// portActions have the NIC up after the kernel's datapath has taken it, so that
// the host never hears it. The userspace datapath sets a NIC down that comes up
// while it takes it (kernel.Client.Connect says how): there the host is made
// deaf first, and the NIC is up before.
func portActions(up host.Uplink) []host.Action {
	if up.Userspace {
		return []host.Action{host.ActionBridge, host.ActionIsolate, host.ActionUp, host.ActionJoin, host.ActionMapping}
	}
	return []host.Action{host.ActionBridge, host.ActionJoin, host.ActionUp, host.ActionMapping}
}

func sharedActions(up host.Uplink) []host.Action {
	actions := []host.Action{host.ActionBridge, host.ActionPair}
	if up.Userspace {
		actions = append(actions, host.ActionIsolate)
	}
	return append(actions, host.ActionJoin, host.ActionLoad, host.ActionFilter, host.ActionPromisc, host.ActionMapping)
}

// attach decides how the NIC joins. What stands is kept where the user leaves it
// to us: a NIC whose addresses come late after a boot must not change its way.
func attach(in Input) (host.Attachment, *plan.Problem) {
	obstacle := in.obstacle()
	switch in.Node.Spec.Attachment {
	case kubeovnv1.AttachmentPort:
		if obstacle != "" {
			return "", in.problem(kubeovnv1.ReasonInterfaceInUse, in.nic()+" "+obstacle+", so that it cannot be a port: use attachment Shared")
		}
		return host.AttachPort, nil
	case kubeovnv1.AttachmentShared:
		return host.AttachShared, nil
	}
	if standing, found := standingOn(in.Stands[in.provider()], in.nic()); found {
		return standing, nil
	}
	if obstacle == "" && !slices.Contains(in.Managed, in.nic()) {
		return host.AttachPort, nil
	}
	return host.AttachShared, nil
}

func standingOn(stands host.Plan, nic string) (host.Attachment, bool) {
	for _, step := range stands.Steps {
		if step.Uplink.NIC == nic {
			return step.Uplink.Attachment, true
		}
	}
	return "", false
}

func (in Input) excluded() bool {
	return slices.ContainsFunc(in.Options.Exclude, func(pattern string) bool {
		matched, err := path.Match(pattern, in.nic())
		return matched && err == nil
	})
}

func (in Input) problem(reason, message string) *plan.Problem {
	owner := logical.Owner{Kind: "ProviderNetworkNode", Name: in.Node.Name}
	return &plan.Problem{Object: owner, Reason: plan.Reason(reason), Message: message}
}

// Renew is a plan that stands, for the NIC as it is now: after a boot its index
// is another. It is not ok while the NIC is not there.
func Renew(stands host.Plan, on host.Snapshot) (now host.Plan, ok bool) {
	now.Steps = slices.Clone(stands.Steps)
	for i := range now.Steps {
		up := &now.Steps[i].Uplink
		link, found := on.Link(up.NIC)
		if !found {
			return now, false
		}
		up.Index, up.MTU = link.Index, link.MTU
	}
	return now, true
}
