package vswitch

import (
	"fmt"
	"slices"

	"hawser/internal/host"
	"hawser/internal/vswitch/vsdb"
)

// Values of Port.lacp, and of Port.bond_mode for each mode.
const (
	lacpActive = "active"
	lacpOff    = "off"
)

var bondModes = map[host.BondMode]string{
	host.BondActiveBackup: "active-backup",
	host.BondBalanceSLB:   "balance-slb",
	host.BondLACP:         "balance-tcp",
}

// bonding gives the columns bond_mode and lacp; both are unset without a bond.
func bonding(port host.BridgePort) (mode, lacp string) {
	switch {
	case len(port.Members) == 0:
		return "", ""
	case port.Mode == host.BondLACP:
		return bondModes[port.Mode], lacpActive
	}
	return bondModes[port.Mode], lacpOff
}

// bondConfig is what LACP needs beside: a partner that is away is noticed after
// 3 s, not 90, and one that never answers leaves a bond with one active device
// instead of none.
func bondConfig(port host.BridgePort) map[string]string {
	if len(port.Members) == 0 || port.Mode != host.BondLACP {
		return map[string]string{"lacp-time": "", "lacp-fallback-ab": ""}
	}
	return map[string]string{"lacp-time": "fast", "lacp-fallback-ab": "true"}
}

// bond reads a port back; one whose only interface has its name is none.
func (s snapshot) bond(row vsdb.Port) (mode host.BondMode, members []string) {
	members = s.members[row.Name]
	if slices.Equal(members, []string{row.Name}) {
		return "", nil
	}
	for word, column := range bondModes {
		if column == value(row.BondMode) {
			mode = word
		}
	}
	return mode, members
}

// checkBonds refuses what Open vSwitch would take, and do something else.
func checkBonds(want host.Switching) error {
	spanning, taken := map[string]bool{}, map[string]string{}
	for _, b := range want.Bridges {
		spanning[b.Name] = b.RSTP
	}
	for _, p := range want.Ports {
		if len(p.Members) > 0 && bondModes[p.Mode] == "" {
			return fmt.Errorf("bond %s has the unknown mode %q: use ActiveBackup, BalanceSLB or LACP", p.Name, p.Mode)
		}
		if len(p.Members) > 0 && spanning[p.Bridge] {
			return fmt.Errorf("bond %s is on %s, which has RSTP, and that leaves bonds out: use one of them", p.Name, p.Bridge)
		}
		for _, device := range devicesOf(p) {
			if other, twice := taken[device]; twice {
				return fmt.Errorf("device %s is wanted in port %s and in port %s: name it once", device, other, p.Name)
			}
			taken[device] = p.Name
		}
	}
	return nil
}
