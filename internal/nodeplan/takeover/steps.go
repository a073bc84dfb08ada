package takeover

import "hawser/internal/host"

// Steps are those of a takeover, in an order in which the host is heard and
// answered after each: the bridge has all that the NIC has before it hears in its
// place, and speaks before the NIC is silent. ovn-controller hears of the network
// last.
//
// Where the names are exchanged, lo holds the addresses while nobody has the
// NIC's name: a VRRP daemon that finds it gone takes its virtual address from
// wherever it is.
//
// NetworkManager takes from the NIC what it has put there as soon as the bridge has
// it; on the way back it finds all of it there again, and has nothing to add that
// would have to be asked for duplicates.
func Steps(up host.Uplink) host.Plan {
	actions := []host.Action{host.ActionWitness}
	if up.Exchange {
		actions = append(actions, host.ActionHold, host.ActionRename)
	}
	actions = append(actions, host.ActionBridge, host.ActionDress, host.ActionCopy, host.ActionJoin, host.ActionSwitch)
	if up.Userspace {
		actions = append(actions, host.ActionIsolate)
	}
	if up.Managed {
		actions = append(actions, host.ActionQuiet)
	}
	actions = append(actions, host.ActionBare)
	if up.Exchange {
		actions = append(actions, host.ActionRelease)
	}
	return planOf(up, append(actions, host.ActionConfirm, host.ActionMapping)...)
}

// Own is the plan by which a takeover that Kube-OVN made becomes ours, of which
// every step is done already. Ours can be taken back, and done again after a boot.
// It is not ok of a plan that keeps nothing.
func Own(kept host.Plan) (own host.Plan, ok bool) {
	if len(kept.Steps) == 0 || kept.Steps[0].Action != host.ActionKeep {
		return host.Plan{}, false
	}
	return Steps(kept.Steps[0].Uplink), true
}

func planOf(up host.Uplink, actions ...host.Action) (out host.Plan) {
	for _, action := range actions {
		out.Steps = append(out.Steps, host.Step{Action: action, Uplink: up})
	}
	return out
}
