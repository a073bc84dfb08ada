package uplink

import (
	"fmt"
	"strings"
	"time"

	kubeovnv1 "hawser/api/v1"
	nodeplan "hawser/internal/nodeplan/uplink"
)

// drifts are takeovers with something on the NIC again. It is moved at once the
// first time. Somebody who puts it there each time, such as a VRRP daemon that was
// told the NIC's name, is not fought: it rests on the NIC, each time for longer.
type drifts struct{ holds }

// note tells whether what is on the NIC rests there, and what is to be told of it.
func (d *drifts) note(provider string, v verdict, now time.Time) (rests bool, mended []string) {
	astray, nic := v.result.Astray, v.result.Uplinks[0].NIC
	held, _ := d.held(provider, v.result.Plan.Hash(), now)
	switch {
	case held:
		return len(astray) > 0, nil
	case len(astray) == 0:
		d.forget(provider)
		return false, nil
	}
	d.hold(provider, v, now)
	return false, []string{fmt.Sprintf("%s was put on %s, which is taken over, and is moved to its bridge", strings.Join(astray, ", "), nic)}
}

// resting is how it stands with a takeover that has something on the NIC.
func resting(result *nodeplan.Result) verdict {
	v := verdict{phase: kubeovnv1.PhaseReady, result: result, stands: result.Uplinks}
	v.notes = []string{fmt.Sprintf("%s is on %s again after it was moved: have who puts it there use the bridge, or use attachment Shared", strings.Join(result.Astray, ", "), result.Uplinks[0].NIC)}
	return v
}
