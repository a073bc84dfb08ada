package vswitch

import (
	"maps"
	"slices"

	"github.com/ovn-kubernetes/libovsdb/model"

	"hawser/internal/host"
	"hawser/internal/vswitch/vsdb"
)

// PortStates tells how the ports of a bridge are doing, by name, as ovs-vswitchd
// last wrote it down; it does so within 5 s. The local port is left out.
func (u Uplinks) PortStates(bridge string) (states []host.PortState) {
	have, err := u.snapshot(atOnce)
	if err != nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(have.ports)) {
		if row := have.ports[name]; have.home[row.UUID] == bridge && name != bridge {
			states = append(states, have.state(row))
		}
	}
	return states
}

// StateChanged is like Changed, for PortStates as well.
func (u Uplinks) StateChanged() <-chan struct{} { return u.states.listen() }

func (s snapshot) state(row vsdb.Port) host.PortState {
	state := host.PortState{Name: row.Name}
	if s.bridges[s.home[row.UUID]].RSTPEnable { // what is written down outlives it
		state.RSTPRole, state.RSTPState = row.RSTPStatus["rstp_port_role"], row.RSTPStatus["rstp_port_state"]
	}
	mode, _ := s.bond(row)
	partners := false
	for _, name := range s.members[row.Name] {
		iface := s.ifaces[name]
		member := host.MemberState{Name: name, Carrier: value(iface.LinkState) == "up", Partner: value(iface.LACPCurrent)}
		state.Members = append(state.Members, member)
		partners = partners || member.Partner
	}
	for i, member := range state.Members {
		leads := value(row.BondActiveSlave) != "" && value(s.ifaces[member.Name].MACInUse) == value(row.BondActiveSlave)
		state.Members[i].Carries = member.Carrier && carries(mode, partners, member.Partner, leads)
	}
	return state
}

// carries tells whether a device that has carrier takes frames. A bond without any
// LACP partner works as ActiveBackup.
func carries(mode host.BondMode, partners, partner, leads bool) bool {
	switch {
	case mode == host.BondActiveBackup, mode == host.BondLACP && !partners:
		return leads
	case mode == host.BondLACP:
		return partner
	}
	return true
}

// sameButState tells whether two versions of a row differ in nothing but what
// PortStates tells, or what has been done: that is no reason for anybody else to look
// again.
func sameButState(before, after model.Model) bool {
	switch now := after.(type) {
	case *vsdb.OpenvSwitch:
		was := *before.(*vsdb.OpenvSwitch)
		was.CurCfg, was.NextCfg = now.CurCfg, now.NextCfg
		return was.Equals(now)
	case *vsdb.Port:
		was := *before.(*vsdb.Port)
		was.BondActiveSlave, was.RSTPStatus = now.BondActiveSlave, now.RSTPStatus
		return was.Equals(now)
	case *vsdb.Interface:
		was := *before.(*vsdb.Interface)
		was.LinkState, was.LACPCurrent, was.MACInUse = now.LinkState, now.LACPCurrent, now.MACInUse
		return was.Equals(now)
	}
	return false
}
