package uplink

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
)

// spanning tells whether the spanning tree outside says which of some uplinks take
// part.
func spanning(uplinks []host.Uplink) bool { return len(uplinks) > 0 && uplinks[0].RSTP }

// forwards tells whether the spanning tree lets frames pass a port; of one of which
// Open vSwitch has said nothing yet it does not.
func forwards(port host.PortState) bool { return port.RSTPState == "Forwarding" }

// spare tells whether the spanning tree has another way to where a port leads: by
// another port of the bridge (Backup), or by whatever is nearer to its root
// (Alternate).
func spare(port host.PortState) bool {
	return port.RSTPRole == "Backup" || port.RSTPRole == "Alternate"
}

// held says which uplinks the spanning tree keeps from taking part.
func held(v verdict) (text string) {
	for _, up := range v.stands {
		if !up.RSTP || v.states[up.NIC] != kubeovnv1.UplinkStandby {
			continue
		}
		text += "; " + up.NIC + " stands by: the spanning tree "
		if spare(v.ports[up.NIC]) {
			text += "has another way to its network"
		} else {
			text += "has yet to let it take part"
		}
	}
	return text
}

// closed tells which uplinks would close a loop, once the spanning tree has settled.
func closed(v verdict) []kubeovnv1.Condition {
	if !spanning(v.stands) {
		return nil
	}
	var spares, open []string
	settled := true
	for _, up := range v.stands {
		switch {
		case v.states[up.NIC] == kubeovnv1.UplinkActive:
			open = append(open, up.NIC)
		case v.states[up.NIC] == kubeovnv1.UplinkStandby && spare(v.ports[up.NIC]):
			spares = append(spares, up.NIC)
		case v.states[up.NIC] == kubeovnv1.UplinkStandby:
			settled = false
		}
	}
	loop := kubeovnv1.Condition{Type: kubeovnv1.ConditionLoopDetected, Reason: "SpanningTree"}
	switch {
	case len(spares) > 0:
		loop.Status = metav1.ConditionTrue
		loop.Message = "the spanning tree has another way to the network behind " + strings.Join(spares, ", ") + ", which stands by: another NIC of this node is in it, or, to the tree, another node leads there; networks that are separate need loopProtection Isolate"
	case settled && len(open) > 0:
		loop.Status, loop.Message = metav1.ConditionFalse, "the spanning tree lets "+strings.Join(open, ", ")+" take part"
	default:
		return nil
	}
	return []kubeovnv1.Condition{loop}
}
