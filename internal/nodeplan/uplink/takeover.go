package uplink

import (
	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
	"hawser/internal/nodeplan/takeover"
	"hawser/internal/plan"
)

// takeover is what the plan of one depends on.
func (in Input) takeover() takeover.Input {
	return takeover.Input{
		Node: in.Node, Host: in.Host, Has: in.Has, Managed: in.Managed, Lent: in.Lent,
		Stands: in.Stands[in.provider()], Userspace: in.Userspace,
	}
}

// Link is the NIC, under the name that it has now.
func (in Input) Link() (host.Link, bool) { return in.takeover().Link() }

// Moves names the NIC, as it is called now, if the plan moves what the host has on
// it, and so depends on that (Input.Has).
func (in Input) Moves() (nic string, moves bool) {
	if len(in.Node.Spec.Interfaces) != 1 {
		return "", false // refused
	}
	link, found := in.Link()
	return link.Name, found && (in.takesOver() || in.standing() == host.AttachTakeover)
}

// takesOver tells whether the user asks for a takeover, if only by what he asks of
// it, or a Kube-OVN has done it.
func (in Input) takesOver() bool {
	spec := in.Node.Spec
	switch spec.Attachment {
	case kubeovnv1.AttachmentTakeover:
		return true
	case kubeovnv1.AttachmentPort, kubeovnv1.AttachmentShared:
		return false
	}
	_, kept := in.takeover().Kept()
	return kept || spec.ExchangeLinkName || len(spec.VlanInterfaces) > 0 || spec.PreserveVlanInterfaces
}

func (in Input) takeOver() (*Result, *plan.Problem) {
	done, problem := takeover.Plan(in.takeover())
	if problem != nil {
		return nil, problem
	}
	return &Result{Uplink: done.Uplink, Plan: done.Plan, Story: done.Story(), Notes: done.Notes(), Astray: done.Astray}, nil
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
