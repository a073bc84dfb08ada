package steps

import (
	"slices"

	"hawser/internal/host"
)

// common counts the steps at the beginning that are begun and wanted, if with
// other settings.
func (r record) common(want []host.Step) int {
	n := 0
	for n < len(r.Have) && n < len(want) && r.Have[n].Step.Same(want[n]) {
		n++
	}
	return n
}

// whole tells whether exactly the wanted steps are begun.
func (r record) whole(want []host.Step) bool {
	return len(r.Have) == len(want) && r.common(want) == len(want)
}

// kept are the begun steps that stay while a plan is brought about, in its order:
// those at its beginning, and once the bridge is among them all others that are
// wanted too. The uplinks of a bridge do not depend on each other.
func (r record) kept(want []host.Step) []begun {
	n := r.common(want)
	kept := slices.Clone(r.Have[:n])
	if !slices.ContainsFunc(want[:n], isBridge) {
		return kept
	}
	for _, step := range want[n:] {
		if i := slices.IndexFunc(r.Have[n:], func(b begun) bool { return b.Step.Same(step) }); i >= 0 {
			kept = append(kept, r.Have[n+i])
		}
	}
	return kept
}

func isBridge(step host.Step) bool { return step.Action == host.ActionBridge }

// stays is what of the plan that stands is left alone while another one is
// brought about: its bridge with each of its uplinks that is wanted whole. It is
// nothing where none of them is.
func (r record) stays(want []host.Step) (stays []host.Step) {
	stands := r.Stood
	if r.Settled {
		stands = r.Want
	}
	if !slices.ContainsFunc(want[:r.common(want)], isBridge) {
		return nil
	}
	changed, uplinks := map[string]bool{}, 0
	for _, step := range stands {
		if !slices.ContainsFunc(want, step.Same) {
			changed[step.Uplink.NIC] = true
		}
	}
	for _, step := range stands {
		switch {
		case step.OfBridge():
			stays = append(stays, step)
		case !changed[step.Uplink.NIC]:
			stays = append(stays, step)
			uplinks++
		}
	}
	if uplinks == 0 {
		return nil
	}
	return stays
}
