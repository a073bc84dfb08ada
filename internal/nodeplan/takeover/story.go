package takeover

import (
	"fmt"
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
		for _, line := range r.about(step.Action) {
			out.WriteString("     " + line + "\n")
		}
		if undoing := step.Undoing(); undoing != "" {
			out.WriteString("   undone: " + undoing + "\n")
		}
	}
	for _, name := range r.Stays {
		fmt.Fprintf(&out, "%s stays on the NIC: pods get nothing of its VLAN\n", name)
	}
	return out.String()
}

// about is what of the NIC's belongings a step is about.
func (r *Result) about(action host.Action) []string {
	part := host.Belongings{}
	switch action {
	case host.ActionDress:
		part.Settings = r.has.Settings
	case host.ActionCopy:
		part.Addresses, part.Rules, part.Neighbours = r.has.Addresses, r.has.Rules, r.has.Neighbours
	case host.ActionSwitch:
		part.Routes = r.has.Routes
	}
	return part.Lines()
}
