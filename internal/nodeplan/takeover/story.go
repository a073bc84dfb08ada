package takeover

import (
	"fmt"
	"slices"
	"strings"

	"hawser/internal/host"
)

// Story is the plan for people: each step, what it is about at this moment, and how
// it is undone. What is approved is the plan without that (host.Plan.Hash): a
// virtual address that comes or goes is no other plan.
func (r *Result) Story() string {
	var out strings.Builder
	for i, step := range r.Plan.Steps {
		fmt.Fprintf(&out, "%d. %s\n", i+1, step.Text())
		for _, line := range shortened(r.about(step)) {
			out.WriteString("     " + line + "\n")
		}
		if undoing := step.Undoing(); undoing != "" {
			out.WriteString("   undone: " + undoing + "\n")
		}
	}
	for _, note := range r.Notes() {
		out.WriteString(note + "\n")
	}
	return out.String()
}

// Notes are what people have to know of a takeover that stands.
func (r *Result) Notes() (out []string) {
	for _, name := range r.Stays {
		out = append(out, name+" stays on the NIC: pods get nothing of its VLAN")
	}
	for _, name := range r.Absent {
		out = append(out, name+" of vlanInterfaces is not on this node")
	}
	if !r.Uplink.Managed {
		return out
	}
	if r.profile.Probes {
		out = append(out, fmt.Sprintf("set ipv4.dad-timeout of profile %s to 0: else the gateway is out of reach for as long whenever NetworkManager activates it, as when that is restarted", r.profile.Name))
	}
	if zone := r.profile.Zone; zone != "" {
		out = append(out, fmt.Sprintf("zone %s of firewalld has %s and not %s: add that to it, if firewalld runs", zone, r.Uplink.NIC, r.Uplink.Bridge))
	}
	return out
}

// about is what of the NIC's belongings a step is about.
func (r *Result) about(step host.Step) []string {
	part := host.Belongings{}
	switch step.Action {
	case host.ActionQuiet:
		return []string{"profile " + r.profile.Name}
	case host.ActionDress:
		part.Settings = r.has.Settings
	case host.ActionCopy:
		part.Addresses, part.Rules, part.Neighbours = r.has.Addresses, r.has.Rules, r.has.Neighbours
	case host.ActionSwitch:
		part.Routes = r.has.Routes
	}
	return part.Lines()
}

// told is how much of a NIC's belongings is told of a step: a router may have
// thousands of routes.
const told = 50

func shortened(lines []string) []string {
	if len(lines) <= told {
		return lines
	}
	return append(slices.Clip(lines[:told]), fmt.Sprintf("and %d more", len(lines)-told))
}
