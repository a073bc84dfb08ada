package uplink

import (
	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
	"hawser/internal/nodeplan/takeover"
	"hawser/internal/plan"
)

// first is the NIC that is taken over, if one is: of several none can be.
func (in Input) first() candidate { return candidate{Input: in, nic: in.Node.Spec.Interfaces[0]} }

// takeover is what the plan of one depends on.
func (c candidate) takeover() takeover.Input {
	return takeover.Input{
		Node: c.Node, Host: c.Host, Has: c.Has, Managed: c.Managed, Profile: c.Profile, Lent: c.Lent[c.nic],
		Stands: c.Stands[c.provider()], Userspace: c.Userspace,
	}
}

// link is the NIC, under the name that it has now.
func (c candidate) link() (host.Link, bool) {
	if c.several() {
		return c.Host.Link(c.nic)
	}
	return c.takeover().Link()
}

// Moves names the NIC, as it is called now, if the plan moves what the host has on
// it, and so depends on that (Input.Has).
func (in Input) Moves() (nic string, moves bool) {
	if len(in.Node.Spec.Interfaces) != 1 {
		return "", false
	}
	c := in.first()
	link, found := c.link()
	return link.Name, found && (c.takesOver() || c.standing() == host.AttachTakeover)
}

// asksTakeover tells whether the user asks for a takeover, if only by what he asks
// of it.
func (in Input) asksTakeover() bool {
	spec := in.Node.Spec
	switch spec.Attachment {
	case kubeovnv1.AttachmentTakeover:
		return true
	case kubeovnv1.AttachmentPort, kubeovnv1.AttachmentShared:
		return false
	}
	return spec.ExchangeLinkName || len(spec.VlanInterfaces) > 0 || spec.PreserveVlanInterfaces
}

// takesOver tells whether a takeover is asked for, or a Kube-OVN has done it.
func (c candidate) takesOver() bool {
	_, kept := c.takeover().Kept()
	left := c.Node.Spec.Attachment == "" || c.Node.Spec.Attachment == kubeovnv1.AttachmentAuto
	return c.asksTakeover() || kept && left
}

func (c candidate) takeOver() (*Result, *plan.Problem) {
	if !c.Options.Takeover {
		return nil, c.problem(kubeovnv1.ReasonUnsupported, c.nic+" would be taken over, which agent.takeover of the chart forbids: use attachment Shared, which leaves the NIC as it is")
	}
	if c.several() {
		return nil, c.problem(kubeovnv1.ReasonUnsupported, c.nic+" is taken over, which is for one interface: with others it joins by attachment Shared")
	}
	done, problem := takeover.Plan(c.takeover())
	if problem != nil {
		return nil, problem
	}
	return &Result{Uplinks: []host.Uplink{done.Uplink}, Plan: done.Plan, Story: done.Story(), Notes: done.Notes(), Astray: done.Astray}, nil
}

// Own is the plan by which what is only kept of a Kube-OVN becomes ours, to be
// taken back; any other plan is it already.
func Own(stands host.Plan) host.Plan {
	if own, kept := takeover.Own(stands); kept {
		return own
	}
	return stands
}

// again is a plan that stands, or that of its own if what a Kube-OVN made of the
// NIC does not stand any more: a boot takes the NIC out of the bridge, and brings
// its addresses back to it (start-ovs.sh).
func again(stands host.Plan, on host.Snapshot) host.Plan {
	own, kept := takeover.Own(stands)
	if !kept {
		return stands
	}
	up := stands.Steps[0].Uplink
	if link, _ := on.NIC(up); link.Master != "" || up.Userspace && link.Promisc {
		return stands
	}
	return own
}
