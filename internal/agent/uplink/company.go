package uplink

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
	"hawser/internal/nodeplan/standby"
	nodeplan "hawser/internal/nodeplan/uplink"
)

// Patrol searches for NICs that are in one network outside; *loop.Patrol does.
type Patrol interface {
	Watch(nics []host.LoopNIC)
	Findings() (found host.LoopFindings, current bool)
	Changed() <-chan struct{}
	Run(ctx context.Context) error
}

// unsearched is why nothing is known of a NIC that has just come.
const unsearched = "it was not searched for loops yet"

// patrol has the NICs that may meet searched, and takes what is known of them. Only
// what the journal names, and so was approved, sends probes.
func (e Edges) patrol(s *scene) {
	nics := s.loopNICs()
	e.Patrol.Watch(nics)
	found, current := e.Patrol.Findings()
	s.found, s.searched = found, map[string]bool{}
	for _, nic := range nics {
		s.searched[nic.Name] = current
	}
}

// loopNICs are those of provider networks with several, and the VLANs that this
// node has pods in.
func (s *scene) loopNICs() (nics []host.LoopNIC) {
	for _, provider := range slices.Sorted(maps.Keys(s.entries)) {
		uplinks := s.entries[provider].Plan.Uplinks()
		if !mayMeet(uplinks) {
			continue
		}
		vlans := s.vlans(provider)
		for _, up := range uplinks {
			nics = append(nics, host.LoopNIC{Name: up.NIC, VLANs: vlans, Mark: up.Mark})
		}
	}
	return nics
}

// vlans are those of a provider network that this node has pods in, and the
// untagged one.
func (s *scene) vlans(provider string) []int {
	vlans := []int{0}
	for _, station := range behind(s.pods, provider).Stations {
		vlans = append(vlans, station.VLAN)
	}
	slices.Sort(vlans)
	return slices.Compact(vlans)
}

// rolesOf says for each NIC of a part whether it is to take part or to stand by. In a
// bond and in a spanning tree that is Open vSwitch's to say.
func (s *scene) rolesOf(part *kubeovnv1.ProviderNetworkNode) []standby.Role {
	if part.Spec.Mode.Bonds() || part.Spec.LoopProtection == kubeovnv1.LoopRSTP {
		return nil
	}
	return s.roles(part.Spec.ProviderNetwork, part.Spec.Interfaces, part.Spec.LoopProtection == kubeovnv1.LoopRefuse)
}

// roles is about NICs of a network of which, alone, one at a time takes part. Who
// does is in the journal, which is ahead of what Open vSwitch tells. Of those in a
// spanning tree it is not known: they come as if they were new.
func (s *scene) roles(provider string, nics []string, alone bool) []standby.Role {
	entry, found := s.entries[provider], s.found
	found.Mute = maps.Clone(s.found.Mute)
	if found.Mute == nil {
		found.Mute = map[string]string{}
	}
	var uplinks []standby.Uplink
	for _, nic := range nics {
		link, _ := s.host.Link(nic)
		up := standby.Uplink{NIC: nic, Carrier: link.Carrier && link.Up}
		for _, noted := range entry.Plan.Uplinks() {
			up.Joined = up.Joined || entry.Settled && noted.NIC == nic && !noted.Standby && !noted.RSTP
		}
		if !up.Joined && !s.searched[nic] {
			found.Mute[nic] = unsearched
		}
		uplinks = append(uplinks, up)
	}
	if alone {
		found = standby.Alone(nics)
	}
	return standby.Choose(uplinks, found)
}

// standBy names those that are to stand by.
func standBy(roles []standby.Role) (nics []string) {
	for _, role := range roles {
		if !role.Join {
			nics = append(nics, role.NIC)
		}
	}
	return nics
}

// arrange has uplinks that stand take part or stand by, as they now should. That
// waits for nobody: neither for a plan that may be refused, nor for its approval. Who
// has to leave leaves first.
func (e Edges) arrange(ctx context.Context, s *scene, part *kubeovnv1.ProviderNetworkNode) error {
	provider := part.Spec.ProviderNetwork
	entry := s.entries[provider]
	uplinks := entry.Plan.Uplinks()
	if !entry.Settled || !agentArranges(uplinks) || part.DeletionTimestamp != nil || !e.Switch.Connected() {
		return nil
	}
	now, ok := nodeplan.Renew(entry.Plan, s.host)
	if !ok {
		return nil
	}
	var nics, away []string
	for _, up := range uplinks {
		nics = append(nics, up.NIC)
		if up.Standby {
			away = append(away, up.NIC)
		}
	}
	out := standBy(s.roles(provider, nics, uplinks[0].Alone))
	var errs []error
	for _, absent := range [][]string{slices.Concat(out, away), out} {
		want := nodeplan.Assign(now, absent)
		if !samePlaces(want, s.entries[provider].Plan) || !inPlace(want, s.host) {
			errs = append(errs, e.place(ctx, s, provider, want))
		}
	}
	return errors.Join(errs...)
}

// place has Open vSwitch do what a plan says of who stands by. A NIC that is gone
// keeps nobody else.
func (e Edges) place(ctx context.Context, s *scene, provider string, want host.Plan) error {
	log.FromContext(ctx).Info("changing who takes part", "provider", provider, "uplinks", placesOf(want))
	err := e.Journal.Settle(ctx, provider, want)
	if err != nil && !errors.Is(err, host.ErrMissing) {
		return fmt.Errorf("change who stands by in provider network %s: %w", provider, err)
	}
	s.entries, err = e.Journal.Entries()
	return err
}

// samePlaces tells whether the same uplinks stand by in two plans.
func samePlaces(a, b host.Plan) bool { return slices.Equal(placesOf(a), placesOf(b)) }

func placesOf(plan host.Plan) (places []string) {
	for _, up := range plan.Uplinks() {
		place := up.NIC + " takes part"
		if up.Standby {
			place = up.NIC + " stands by"
		}
		places = append(places, place)
	}
	return places
}

// inPlace tells whether Open vSwitch has done what a plan says of who stands by. Of
// a NIC that is gone it may keep the port.
func inPlace(plan host.Plan, on host.Snapshot) bool {
	return !slices.ContainsFunc(plan.Uplinks(), func(up host.Uplink) bool {
		_, there := on.Link(up.NIC)
		bridge, in := on.BridgeWith(up.Member())
		return there && up.Standby == (in && bridge.Name == up.Bridge)
	})
}

// listen puts into a verdict what Open vSwitch tells of uplinks that stand, where it
// chooses who takes part: in a bond, and in a spanning tree.
func (e Edges) listen(v *verdict) {
	v.members, v.ports = map[string]host.MemberState{}, map[string]host.PortState{}
	if len(v.stands) == 0 || v.stands[0].Mode == "" && !v.stands[0].RSTP {
		return
	}
	for _, port := range e.Switch.PortStates(v.stands[0].Bridge) {
		for _, member := range port.Members {
			v.members[member.Name] = member
		}
		for _, up := range v.stands {
			if up.Member() == port.Name {
				v.ports[up.NIC] = port
			}
		}
	}
}

// states are what uplinks that stand do.
func (s *scene) states(v verdict) map[string]kubeovnv1.UplinkState {
	states := map[string]kubeovnv1.UplinkState{}
	for _, up := range v.stands {
		link, _ := s.host.NIC(up)
		switch {
		case !link.Carrier:
			states[up.NIC] = kubeovnv1.UplinkDown
		case up.Standby, up.Mode != "" && !v.members[up.NIC].Carries, up.RSTP && !forwards(v.ports[up.NIC]):
			states[up.NIC] = kubeovnv1.UplinkStandby
		default:
			states[up.NIC] = kubeovnv1.UplinkActive
		}
	}
	return states
}

// lonely tells of a bond that waits for a switch to agree to it.
func lonely(v verdict) string {
	if v.stands[0].Mode != host.BondLACP || slices.ContainsFunc(v.stands, func(up host.Uplink) bool { return v.members[up.NIC].Partner }) {
		return ""
	}
	return ", but no switch speaks LACP with them, so that one of them carries all: make their ports a LACP bond of one switch, or use mode ActiveBackup"
}

// joined says of a part that is ready who takes part, and what others stand by for.
func (s *scene) joined(part *kubeovnv1.ProviderNetworkNode, v verdict) string {
	if len(part.Spec.Interfaces) == 1 {
		return "the NIC has joined"
	}
	text := "the NICs have joined" + lonely(v) + held(v)
	for _, role := range s.rolesOf(part) {
		if role.State != kubeovnv1.UplinkStandby {
			continue
		}
		text += "; " + role.NIC + " stands by"
		switch {
		case part.Spec.LoopProtection == kubeovnv1.LoopRefuse:
			text += " while " + role.Meets + " takes part"
		case role.Meets != "":
			text += ": it meets " + role.Meets + inVLAN(role.VLAN)
		case s.found.Mute[role.NIC] != "":
			text += ": " + s.found.Mute[role.NIC]
		default:
			text += ": " + unsearched
		}
	}
	return text
}

// mayMeet tells whether uplinks are searched for loops.
func mayMeet(uplinks []host.Uplink) bool {
	return agentArranges(uplinks) && !uplinks[0].Alone
}

// agentArranges tells whether the agent says which of some uplinks take part.
func agentArranges(uplinks []host.Uplink) bool {
	return len(uplinks) > 0 && uplinks[0].Apart && !uplinks[0].RSTP
}

// loops tells which of some uplinks met, once all of them were searched.
func (s *scene) loops(uplinks []host.Uplink) []kubeovnv1.Condition {
	var nics, met []string
	for _, up := range uplinks {
		if !s.searched[up.NIC] {
			return nil
		}
		nics = append(nics, up.NIC)
	}
	if !mayMeet(uplinks) {
		return nil
	}
	for _, m := range s.found.Meetings {
		if slices.Contains(nics, m.NICs[0]) && slices.Contains(nics, m.NICs[1]) {
			met = append(met, m.NICs[0]+" and "+m.NICs[1]+inVLAN(m.VLAN))
		}
	}
	if len(met) == 0 {
		return []kubeovnv1.Condition{{
			Type: kubeovnv1.ConditionLoopDetected, Status: metav1.ConditionFalse, Reason: "Apart",
			Message: "no probe of " + strings.Join(nics, ", ") + " arrives at another of them",
		}}
	}
	return []kubeovnv1.Condition{{
		Type: kubeovnv1.ConditionLoopDetected, Status: metav1.ConditionTrue, Reason: "ProbesMet",
		Message: "in one network outside are " + strings.Join(met, "; ") + ", so that only one of them takes part; the other is a reserve until their networks are separate",
	}}
}

func inVLAN(vlan int) string {
	if vlan == 0 {
		return ""
	}
	return " in VLAN " + strconv.Itoa(vlan)
}
