// Package uplink plans how a node's NICs join a provider network: which way each,
// whether they may, and by which steps.
//
//	ProviderNetworkNode ─┐            ┌─▶ host.Plan, to be shown, approved, done
//	the host as it is ───┼─▶ Plan ────┤
//	what stands already ─┘            └─▶ or one Problem: all stays as it is
//
// It is pure. What it refuses it refuses before anything is touched: a NIC that
// does not exist, that is excluded, that is ours or somebody else's. It does not
// decide whether a plan may be carried out now, nor which of several uplinks
// stands by (package standby). What the host itself has on a NIC changes in a
// takeover only, which package nodeplan/takeover plans.
package uplink

import (
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
	// Takeover lets NICs be taken over where a provider network asks for it.
	Takeover bool
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
	// Profile is what NetworkManager keeps to on the NIC, if it manages that. Only a
	// takeover asks (Input.Moves).
	Profile host.Profile
	// Lent are the devices in other network namespaces that stand on a NIC, by NIC;
	// of one that has joined nobody asks.
	Lent map[string][]string
	// StandBy are the NICs that are not to take part for now.
	StandBy []string
	// Has is what the host has on the NIC. Only a takeover asks (Input.Moves).
	Has       host.Belongings
	Userspace bool // the datapath runs in ovs-vswitchd
}

// Result is what is to be done.
type Result struct {
	Uplinks []host.Uplink // in the order in which the NICs are named
	Plan    host.Plan
	// Story is the plan for people, with what it is about at the moment, and Notes
	// are what they have to know of it once it stands.
	Story string
	Notes []string
	// Astray is what somebody has put on a NIC that is taken over.
	Astray []string
}

// Plan says how the node joins, or why it cannot: all of its NICs, or none.
func Plan(in Input) (*Result, *plan.Problem) {
	in.Host = in.withAwaited()
	for _, check := range []func(Input) *plan.Problem{checkBuilt, checkName, checkStacked} {
		if problem := check(in); problem != nil {
			return nil, problem
		}
	}
	var uplinks []host.Uplink
	for _, nic := range in.Node.Spec.Interfaces {
		c := candidate{Input: in, nic: nic}
		attachment, problem := c.attachment()
		switch {
		case problem != nil:
			return nil, problem
		case attachment == host.AttachTakeover:
			return c.takeOver()
		}
		uplinks = append(uplinks, c.uplink(attachment))
	}
	wanted := steps(uplinks)
	return &Result{Uplinks: uplinks, Plan: wanted, Story: in.anew(wanted) + wanted.Text()}, nil
}

// anew tells of a bridge that has to go before it can be as it is wanted.
func (in Input) anew(wanted host.Plan) string {
	stands := in.Stands[in.provider()]
	if len(stands.Steps) == 0 || !stands.Steps[0].Uplink.RSTP || stands.Steps[0].Same(wanted.Steps[0]) {
		return ""
	}
	return "first all uplinks leave and the bridge goes, since RSTP is only switched off with it: pods are cut off until these are done\n"
}

// candidate is one of the NICs that are to join.
type candidate struct {
	Input
	nic string
}

func (in Input) provider() string { return in.Node.Spec.ProviderNetwork }

// several tells whether the NIC is one of several, which a network outside may join.
func (in Input) several() bool { return len(in.Node.Spec.Interfaces) > 1 }

// bonded tells whether the NICs are to be one port.
func (in Input) bonded() bool {
	return in.several() && in.Node.Spec.Mode.Bonds()
}

// spanning tells whether the spanning tree outside says which of the NICs take part.
// One port can close no loop, and so neither a NIC alone nor a bond asks it.
func (in Input) spanning() bool {
	return in.several() && !in.bonded() && in.Node.Spec.LoopProtection == kubeovnv1.LoopRSTP
}

// attachment is how the NIC joins, if it may.
func (c candidate) attachment() (host.Attachment, *plan.Problem) {
	for _, check := range []func(candidate) *plan.Problem{checkNIC, checkHolder, checkMade} {
		if problem := check(c); problem != nil {
			return "", problem
		}
	}
	return c.attach()
}

func (c candidate) uplink(attachment host.Attachment) host.Uplink {
	link, _ := c.link()
	up := host.Uplink{Provider: c.provider(), NIC: c.nic, Attachment: attachment, Bridge: host.BridgeOf(c.provider())}
	if attachment == host.AttachShared {
		up = host.SharedUplink(c.provider(), c.nic)
		up.Mark, up.TrustPods = c.Options.Mark, c.Node.Spec.TrustPods
	}
	up.Index, up.MTU, up.Userspace, up.Made = link.Index, link.MTU, c.Userspace, c.made(link)
	switch {
	case c.bonded():
		up.Mode = host.BondMode(c.Node.Spec.Mode)
	case c.several():
		up.Apart, up.Alone = true, c.Node.Spec.LoopProtection == kubeovnv1.LoopRefuse
		up.Standby = slices.Contains(c.StandBy, c.nic)
		if c.spanning() {
			up.RSTP, up.Standby, up.Place = true, false, 1+slices.Index(c.Node.Spec.Interfaces, c.nic)
		}
	}
	return up
}

// withAwaited is the host with the VLAN sub-interfaces that will be made.
func (in Input) withAwaited() host.Snapshot {
	on := in.Host
	if !in.Node.Spec.AutoCreateVlanSubinterfaces {
		return on
	}
	for _, nic := range in.Node.Spec.Interfaces {
		_, found := on.Link(nic)
		if link, ok := on.Awaited(in.provider(), nic); ok && !found {
			on.Links = append(slices.Clip(on.Links), link)
		}
	}
	return on
}

// made tells whether a NIC is, or will be, made for the provider network. It goes
// with it then, even if autoCreateVlanSubinterfaces does not say so any more.
func (in Input) made(link host.Link) bool {
	return link.Kind == "vlan" && link.Alias == host.MadeFor(in.provider())
}

// attach decides how the NIC joins. What stands is kept where the user leaves it
// to us: a NIC whose addresses come late after a boot must not change its way.
func (c candidate) attach() (host.Attachment, *plan.Problem) {
	obstacle := c.obstacle()
	if c.bonded() {
		return c.attachBonded(obstacle)
	}
	switch c.Node.Spec.Attachment {
	case kubeovnv1.AttachmentPort:
		if obstacle != "" {
			return "", c.problem(kubeovnv1.ReasonInterfaceInUse, c.nic+" "+obstacle+", so that it cannot be a port: use attachment Shared")
		}
		return host.AttachPort, nil
	case kubeovnv1.AttachmentShared:
		return host.AttachShared, nil
	}
	standing := c.standing()
	switch {
	case c.takesOver():
		return host.AttachTakeover, nil
	case standing != "":
		return standing, nil
	case obstacle == "" && !slices.Contains(c.Managed, c.nic):
		return host.AttachPort, nil
	}
	return host.AttachShared, nil
}

// attachBonded wants the NIC itself as a port.
func (c candidate) attachBonded(obstacle string) (host.Attachment, *plan.Problem) {
	if obstacle == "" && c.standing() == "" && slices.Contains(c.Managed, c.nic) {
		obstacle = "is managed by NetworkManager"
	}
	if obstacle != "" {
		return "", c.problem(kubeovnv1.ReasonInterfaceInUse, c.nic+" "+obstacle+", so that it cannot be in a bond of ours: let the host make the bond, and name it")
	}
	return host.AttachPort, nil
}

// standing is how the NIC has joined already; "" where it has not.
func (c candidate) standing() host.Attachment {
	attachment, _ := standingOn(c.Stands[c.provider()], c.nic)
	return attachment
}

// standingOn finds a NIC by either of the names that a takeover may give it.
func standingOn(stands host.Plan, nic string) (host.Attachment, bool) {
	for _, up := range stands.Uplinks() {
		if up.NIC == nic || up.Device() == nic {
			return up.Attachment, true
		}
	}
	return "", false
}

func (in Input) problem(reason, message string) *plan.Problem {
	owner := logical.Owner{Kind: "ProviderNetworkNode", Name: in.Node.Name}
	return &plan.Problem{Object: owner, Reason: plan.Reason(reason), Message: message}
}
