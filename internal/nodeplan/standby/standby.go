// Package standby decides which uplinks of a provider network take part on a
// node, where some of them are in one network outside: of those only one may,
// or the switches there would see each pod behind two ports by turns.
//
// It is pure. What stands by is not in the provider's bridge, and so stays out
// whatever becomes of the agent; what takes part is protected from all others.
package standby

import (
	"cmp"
	"slices"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
)

// Uplink is one of the uplinks as it is.
type Uplink struct {
	NIC     string
	Carrier bool
	Joined  bool // it is in the bridge
}

// Role is what an uplink is to do.
type Role struct {
	NIC   string
	State kubeovnv1.UplinkState
	Join  bool // it is to be in the bridge
	// Meets is the uplink that it meets, in VLAN, and leaves the network to; it is
	// empty where there is none.
	Meets string
	VLAN  int
}

// Choose gives each uplink its role, in the order of the uplinks, which is that of
// their preference. One that takes part goes on: coming back is no reason to cut
// over again. One without carrier stays in the bridge unless another has taken its
// place. One that could not be searched for does not join, other than alone.
func Choose(uplinks []Uplink, found host.LoopFindings) []Role {
	var inside []string
	roles := map[string]Role{}
	for _, uplink := range ranked(uplinks, found.Mute) {
		role := roleOf(uplink, inside, found)
		if role.Join {
			inside = append(inside, uplink.NIC)
		}
		roles[uplink.NIC] = role
	}
	var out []Role
	for _, uplink := range uplinks {
		out = append(out, roles[uplink.NIC])
	}
	return out
}

// Alone are the findings by which one of some uplinks takes part at a time, as if
// each met all others.
func Alone(nics []string) (found host.LoopFindings) {
	for i, nic := range nics {
		for _, other := range nics[:i] {
			found.Meetings = append(found.Meetings, host.Meeting{NICs: [2]string{min(nic, other), max(nic, other)}})
		}
	}
	return found
}

// ranked puts those first that have the best claim to take part.
func ranked(uplinks []Uplink, mute map[string]string) []Uplink {
	rank := func(u Uplink) int {
		switch {
		case !u.Carrier:
			return 3
		case mute[u.NIC] != "":
			return 2
		case !u.Joined:
			return 1
		}
		return 0
	}
	return slices.SortedStableFunc(slices.Values(uplinks), func(a, b Uplink) int { return cmp.Compare(rank(a), rank(b)) })
}

// roleOf fits an uplink in with those that are inside already.
func roleOf(u Uplink, inside []string, found host.LoopFindings) Role {
	role := Role{NIC: u.NIC, State: kubeovnv1.UplinkActive, Join: true}
	for _, other := range inside {
		if vlan, meets := meet(u.NIC, other, found.Meetings); meets {
			role.Meets, role.VLAN, role.Join = other, vlan, false
			break
		}
	}
	unknown := found.Mute[u.NIC] != "" && !u.Joined && len(inside) > 0
	switch {
	case !u.Carrier:
		role.State, role.Join = kubeovnv1.UplinkDown, u.Joined && role.Join
	case !role.Join || unknown:
		role.State, role.Join = kubeovnv1.UplinkStandby, false
	}
	return role
}

// meet tells in which VLAN two NICs are in one network, also by way of others: who
// meets a third there meets all that it meets.
func meet(a, b string, meetings []host.Meeting) (vlan int, found bool) {
	for _, m := range meetings {
		if slices.Contains(m.NICs[:], a) && reaches(a, b, m.VLAN, meetings) {
			return m.VLAN, true
		}
	}
	return 0, false
}

func reaches(a, b string, vlan int, meetings []host.Meeting) bool {
	seen := []string{a}
	for i := 0; i < len(seen); i++ {
		for _, nic := range neighbours(seen[i], vlan, meetings) {
			if !slices.Contains(seen, nic) {
				seen = append(seen, nic)
			}
		}
	}
	return slices.Contains(seen, b)
}

// neighbours are the NICs that one meets itself.
func neighbours(nic string, vlan int, meetings []host.Meeting) (met []string) {
	for _, m := range meetings {
		if m.VLAN == vlan && slices.Contains(m.NICs[:], nic) {
			met = append(met, m.NICs[:]...)
		}
	}
	return met
}
