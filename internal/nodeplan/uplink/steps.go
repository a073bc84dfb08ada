package uplink

import (
	"slices"
	"strings"

	"hawser/internal/host"
	"hawser/internal/nodeplan/takeover"
)

// steps are in an order in which no frame of the host ever lacks a way, and in
// which ovn-controller hears of the network last.
func steps(uplinks []host.Uplink) (out host.Plan) {
	if uplinks[0].Attachment == host.AttachTakeover {
		return takeover.Steps(uplinks[0])
	}
	add := func(up host.Uplink, actions ...host.Action) {
		for _, action := range actions {
			out.Steps = append(out.Steps, host.Step{Action: action, Uplink: up})
		}
	}
	add(uplinks[0], host.ActionBridge)
	for _, up := range uplinks {
		if up.Made {
			add(up, host.ActionVLAN)
		}
		switch {
		case up.Attachment == host.AttachShared:
			add(up, sharedActions(up)...)
		case up.NIC != "": // a stray whose NIC is gone has none
			add(up, portActions(up)...)
		}
	}
	if uplinks[0].Mode != "" {
		add(bondOf(uplinks), host.ActionBond)
	}
	add(uplinks[0], host.ActionMapping)
	return out
}

// bondOf is what all uplinks of a bond are together.
func bondOf(uplinks []host.Uplink) host.Uplink {
	var members []string
	for _, up := range uplinks {
		members = append(members, up.NIC)
	}
	first := uplinks[0]
	return host.Uplink{Provider: first.Provider, Bridge: first.Bridge, Attachment: first.Attachment, Mode: first.Mode, Bonded: strings.Join(members, ","), Userspace: first.Userspace}
}

// portActions have the NIC up after the kernel's datapath has taken it, so that
// the host never hears it. The userspace datapath sets a NIC down that comes up
// while it takes it (kernel.Client.Connect says how): there the host is made
// deaf first, and the NIC is up before. So it is where a NIC may stand by: it has
// to be up for its carrier and its loops to be seen; and in a bond, which takes all
// its NICs at once.
func portActions(up host.Uplink) []host.Action {
	if up.Mode != "" {
		return []host.Action{host.ActionIsolate, host.ActionUp}
	}
	if up.Userspace || up.Apart {
		return []host.Action{host.ActionIsolate, host.ActionUp, host.ActionJoin}
	}
	return []host.Action{host.ActionJoin, host.ActionUp}
}

func sharedActions(up host.Uplink) []host.Action {
	actions := []host.Action{host.ActionPair}
	if up.Userspace {
		actions = append(actions, host.ActionIsolate)
	}
	return append(actions, host.ActionJoin, host.ActionLoad, host.ActionFilter, host.ActionPromisc)
}

// Renew is a plan that stands, for its NICs as they are now: after a boot their
// indexes are others, and what Kube-OVN had made of one is undone, which is ours to
// do again then. A NIC that is not there stays as it was noted; where none is, it is
// not ok.
func Renew(stands host.Plan, on host.Snapshot) (now host.Plan, ok bool) {
	now.Steps = slices.Clone(stands.Steps)
	ok = len(stands.Uplinks()) == 0
	for i := range now.Steps {
		up := &now.Steps[i].Uplink
		link, found := on.NIC(*up)
		if !found && up.Made {
			link, found = on.Awaited(up.Provider, up.NIC) // it will be made again
		}
		if !found {
			continue
		}
		ok = true
		up.Index, up.MTU = link.Index, link.MTU
		if up.Attachment == host.AttachTakeover {
			up.MAC = link.MAC
		}
	}
	return again(now, on), ok
}

// Assign is a plan with those of its uplinks standing by that are to. In a spanning
// tree none does by itself.
func Assign(stands host.Plan, standby []string) (now host.Plan) {
	now.Steps = slices.Clone(stands.Steps)
	for i := range now.Steps {
		up := &now.Steps[i].Uplink
		up.Standby = up.Apart && !up.RSTP && slices.Contains(standby, up.NIC)
	}
	return now
}
