// Package uplink plans how a node's NIC joins a provider network: which way,
// whether it may, and by which steps.
//
//	ProviderNetworkNode ─┐            ┌─▶ host.Plan, to be shown, approved, done
//	the host as it is ───┼─▶ Plan ────┤
//	what stands already ─┘            └─▶ or one Problem: all stays as it is
//
// It is pure. What it refuses it refuses before anything is touched: a NIC that
// does not exist, that is excluded, that is ours or somebody else's. It does not
// decide whether a plan may be carried out now. What the host itself has on a NIC
// changes in a takeover only, which package nodeplan/takeover plans.
package uplink

import (
	"path"
	"slices"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
	"hawser/internal/logical"
	"hawser/internal/nodeplan/takeover"
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
	Lent []string
	// Has is what the host has on the NIC. Only a takeover asks (Input.Moves).
	Has       host.Belongings
	Userspace bool // the datapath runs in ovs-vswitchd
}

// Result is what is to be done.
type Result struct {
	Uplink host.Uplink
	Plan   host.Plan
	// Story is the plan for people, with what it is about at the moment, and Notes
	// are what they have to know of it once it stands.
	Story string
	Notes []string
	// Astray is what somebody has put on a NIC that is taken over.
	Astray []string
}

// Plan says how the node joins, or why it cannot.
func Plan(in Input) (*Result, *plan.Problem) {
	for _, check := range []func(Input) *plan.Problem{checkBuilt, checkName, checkNIC, checkHolder} {
		if problem := check(in); problem != nil {
			return nil, problem
		}
	}
	attachment, problem := attach(in)
	if problem != nil {
		return nil, problem
	}
	if attachment == host.AttachTakeover {
		return in.takeOver()
	}
	up := in.uplink(attachment)
	wanted := steps(up)
	return &Result{Uplink: up, Plan: wanted, Story: wanted.Text()}, nil
}

// nic is the one NIC that joins; checkBuilt has seen that there is no other.
func (in Input) nic() string { return in.Node.Spec.Interfaces[0] }

func (in Input) provider() string { return in.Node.Spec.ProviderNetwork }

func (in Input) uplink(attachment host.Attachment) host.Uplink {
	link, _ := in.Link()
	up := host.Uplink{Provider: in.provider(), NIC: in.nic(), Attachment: attachment, Bridge: host.BridgeOf(in.provider())}
	if attachment == host.AttachShared {
		up = host.SharedUplink(in.provider(), in.nic())
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
	case up.Attachment == host.AttachTakeover:
		return takeover.Steps(up)
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
	standing := in.standing()
	switch {
	case in.takesOver():
		return host.AttachTakeover, nil
	case standing != "":
		return standing, nil
	case obstacle == "" && !slices.Contains(in.Managed, in.nic()):
		return host.AttachPort, nil
	}
	return host.AttachShared, nil
}

// standing is how the NIC has joined already; "" where it has not.
func (in Input) standing() host.Attachment {
	attachment, _ := standingOn(in.Stands[in.provider()], in.nic())
	return attachment
}

// standingOn finds a NIC by either of the names that a takeover may give it.
func standingOn(stands host.Plan, nic string) (host.Attachment, bool) {
	for _, step := range stands.Steps {
		if step.Uplink.NIC == nic || step.Uplink.Device() == nic {
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
// is another, and what Kube-OVN had made of it is undone, which is ours to do again
// then. It is not ok while the NIC is not there.
func Renew(stands host.Plan, on host.Snapshot) (now host.Plan, ok bool) {
	now.Steps = slices.Clone(stands.Steps)
	for i := range now.Steps {
		up := &now.Steps[i].Uplink
		link, found := on.NIC(*up)
		if !found {
			return now, false
		}
		up.Index, up.MTU = link.Index, link.MTU
		if up.Attachment == host.AttachTakeover {
			up.MAC = link.MAC
		}
	}
	return again(now, on), true
}
