package host

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Action is what one step of a plan does. Each has its undoing, which leaves
// the host as it was before the step, and which does no harm where the step was
// never done or was done only in part.
type Action string

// The actions that join a NIC to a provider network, in the order of a plan.
const (
	// ActionBridge makes the provider's bridge, without touching the NIC.
	ActionBridge Action = "bridge"
	// ActionPair makes the veth pair of a shared uplink, up and silent.
	ActionPair Action = "pair"
	// ActionIsolate keeps the host's network stack from hearing the port, which
	// the userspace datapath alone is to hear.
	ActionIsolate Action = "isolate"
	// ActionJoin makes the tap, or with AttachPort the NIC, a port of the bridge.
	ActionJoin Action = "join"
	// ActionLoad loads and pins the programs and maps; no frame meets them yet.
	ActionLoad Action = "load"
	// ActionFilter hangs the programs into the NIC and the pair.
	ActionFilter Action = "filter"
	// ActionPromisc lets the NIC take frames for other addresses than its own.
	ActionPromisc Action = "promisc"
	// ActionUp sets a NIC up that is a port of the bridge.
	ActionUp Action = "up"
	// ActionBond makes all uplinks one port of the bridge.
	ActionBond Action = "bond"
	// ActionMapping tells ovn-controller which bridge is the provider's network.
	ActionMapping Action = "mapping"
)

// Step is one change of the host and its undoing.
type Step struct {
	Action Action
	Uplink Uplink
	// Before is what an edge has to know to undo the step, for example whether
	// the NIC was promiscuous. It is empty in a plan; the edge says it just
	// before the step is done, and the journal keeps it.
	Before string
}

// Plan is a list of changes of the host's links: they are done in order and
// undone in the opposite order. The empty plan is the host as it was without us.
type Plan struct {
	Steps []Step
}

// Text is the plan for people, a line for each step. It names nothing that
// differs between two boots, so that an approved plan stays approved.
func (p Plan) Text() string {
	var out strings.Builder
	for i, step := range p.Steps {
		fmt.Fprintf(&out, "%d. %s\n", i+1, step.Text())
	}
	return out.String()
}

// Hash names the plan's text; two plans that do the same have the same.
func (p Plan) Hash() string {
	sum := sha256.Sum256([]byte(p.Text()))
	return hex.EncodeToString(sum[:8])
}

// Text is the step for people.
func (s Step) Text() string {
	u := s.Uplink
	if text, ok := s.takeover(); ok {
		return text
	}
	switch s.Action {
	case ActionVLAN:
		below, _, _ := SubInterface(u.NIC)
		return "add VLAN sub-interface " + u.NIC + " to " + below
	case ActionBridge:
		return "add bridge " + u.Bridge + u.datapath() + u.spanning()
	case ActionPair:
		return fmt.Sprintf("add veth pair %s, %s with the MTU of %s", u.Tap, u.Wire, u.NIC)
	case ActionIsolate:
		return "keep the host from answering on " + u.Member()
	case ActionJoin:
		return "add port " + u.Member() + " to " + u.Bridge + u.company()
	case ActionLoad:
		return "load programs of " + u.NIC + u.options()
	case ActionFilter:
		return "bridge frames between " + u.NIC + ", the host and " + u.Wire
	case ActionPromisc:
		return "let " + u.NIC + " receive frames for pods (promiscuous)"
	case ActionUp:
		return "set " + u.NIC + " up"
	case ActionBond:
		return fmt.Sprintf("bond %s (%s) as port %s of %s", strings.Join(u.Members(), ", "), u.Mode, u.Member(), u.Bridge)
	case ActionMapping:
		return "map network " + u.Provider + " to " + u.Bridge
	}
	return string(s.Action) + " " + u.NIC
}

// Uplinks are those that the plan is about, each once, in the order of its steps.
// The bridge and its mapping are nobody's.
func (p Plan) Uplinks() (uplinks []Uplink) {
	known := map[string]bool{}
	for _, step := range p.Steps {
		if nic := step.Uplink.NIC; !step.OfBridge() && !known[nic] {
			known[nic] = true
			uplinks = append(uplinks, step.Uplink)
		}
	}
	return uplinks
}

// OfBridge tells whether a step is about the bridge, and so about all its uplinks.
func (s Step) OfBridge() bool {
	return s.Action == ActionBridge || s.Action == ActionBond || s.Action == ActionMapping
}

// Same tells whether two steps do the same to the same thing, whatever their
// settings: the other one done over this one brings the difference about, and undoing
// either undoes both. A bridge that speaks RSTP does so until it goes: Open vSwitch
// 3.5 cannot switch that off.
func (s Step) Same(other Step) bool {
	switch {
	case !s.OfBridge() && s.Uplink.Attachment != other.Uplink.Attachment:
		return false
	case s.Action == ActionBridge && s.Uplink.RSTP && !other.Uplink.RSTP:
		return false
	}
	return s.bare().Text() == other.bare().Text()
}

// bare is the step without what can be changed in place.
func (s Step) bare() Step {
	u := &s.Uplink
	u.TrustPods, u.RSTP, u.Apart, u.Alone, u.Standby = false, false, false, false, false
	u.Mode, u.Bonded, u.Place = "", "", 0
	return s
}

// Member names the uplink's port of the bridge; that of a bond is all its uplinks'.
func (u Uplink) Member() string {
	switch {
	case u.Bonded != "":
		return BondOf(u.Provider)
	case u.Attachment == AttachPort:
		return u.NIC
	case u.Attachment == AttachTakeover:
		return u.Device()
	}
	return u.Tap
}

// company is how an uplink gets on with the others of its bridge. Who stands by at
// the moment is no part of it: that changes without anybody's approval.
func (u Uplink) company() string {
	switch {
	case u.Alone:
		return ", or stand by while another uplink takes part"
	case u.Apart && u.RSTP:
		return ", apart from other uplinks, or stand by where the spanning tree blocks it"
	case u.Apart:
		return ", apart from other uplinks, or stand by where it meets one"
	}
	return ""
}

func (u Uplink) datapath() string {
	if u.Userspace {
		return " of the userspace datapath"
	}
	return ""
}

func (u Uplink) options() string {
	out := ""
	if u.TrustPods {
		out += ", pods may be routers and DHCP servers of the host"
	}
	return out + u.spanning()
}

func (u Uplink) spanning() string {
	if u.RSTP {
		return ", with RSTP"
	}
	return ""
}
