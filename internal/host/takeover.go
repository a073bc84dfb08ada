package host

import (
	"errors"
	"fmt"
)

// AttachTakeover makes the NIC a port of the provider's bridge and lets the
// bridge have all that the host had on the NIC. With Uplink.Exchange the bridge
// has the NIC's name, too:
//
//	eth0 ── 192.0.2.10, routes, rules      becomes      br-lan ── 192.0.2.10, routes, rules
//	                                                      └── eth0, a port
//	                                       exchanged:   eth0 ── 192.0.2.10, routes, rules
//	                                                      └── br-lan, a port, the NIC
const AttachTakeover Attachment = "Takeover"

// The actions of a takeover. With ActionBridge, ActionJoin, ActionIsolate and
// ActionMapping they are in an order in which after each step, done or undone,
// the host sends and receives.
const (
	// ActionWitness finds the default gateways and the API server answering,
	// before anything is touched.
	ActionWitness Action = "witness"
	// ActionHold keeps the host's addresses on lo, whatever becomes of the NIC.
	ActionHold Action = "hold"
	// ActionRename gives the NIC the bridge's name, while it is up.
	ActionRename Action = "rename"
	// ActionDress gives the bridge's device the NIC's settings and sets it up.
	ActionDress Action = "dress"
	// ActionCopy gives the bridge the NIC's addresses, rules and neighbours; the
	// NIC keeps them.
	ActionCopy Action = "copy"
	// ActionSwitch leads the NIC's routes through the bridge.
	ActionSwitch Action = "switch"
	// ActionQuiet has NetworkManager, which goes on managing the NIC, leave its
	// addresses and routes to the bridge.
	ActionQuiet Action = "quiet"
	// ActionBare takes from the NIC what the bridge has.
	ActionBare Action = "bare"
	// ActionRelease takes the addresses from lo.
	ActionRelease Action = "release"
	// ActionConfirm finds gateways and API server answering through the bridge;
	// otherwise the plan is taken back.
	ActionConfirm Action = "confirm"
	// ActionKeep leaves the takeover that Kube-OVN made as it is.
	ActionKeep Action = "keep"
)

// Device names the NIC as it is called while it is taken over.
func (u Uplink) Device() string {
	if u.Exchange {
		return BridgeOf(u.Provider)
	}
	return u.NIC
}

// NIC finds the NIC of an uplink. While it is taken over, and on the way there and
// back, it may have the bridge's name, and the bridge's device its own.
func (s Snapshot) NIC(u Uplink) (Link, bool) {
	if u.Attachment != AttachTakeover {
		return s.Link(u.NIC)
	}
	for _, name := range []string{u.Device(), u.NIC} {
		if link, found := s.Link(name); found && !MadeBySwitch(link.Kind) {
			return link, true
		}
	}
	return Link{}, false
}

// MadeBySwitch tells whether devices of a kind are what Open vSwitch makes: its
// kernel datapath or, as taps, its userspace datapath. Other programs make taps, too.
func MadeBySwitch(kind string) bool { return kind == "openvswitch" || kind == "tuntap" }

// takeover is the text of a step of a takeover. It names no address: those come
// and go (VRRP), and a plan that was approved has to stay so.
func (s Step) takeover() (text string, ok bool) {
	u := s.Uplink
	switch s.Action {
	case ActionWitness:
		return "see the gateways of " + u.NIC + " and the API server answer", true
	case ActionHold:
		return "keep the addresses of " + u.NIC + " on lo as well", true
	case ActionRename:
		return fmt.Sprintf("rename %s to %s while it is up", u.NIC, u.Device()), true
	case ActionDress:
		return fmt.Sprintf("give %s the settings of %s and set it up", u.bridge(), u.nic()), true
	case ActionCopy:
		return fmt.Sprintf("give %s the addresses, rules and neighbours of %s as well", u.bridge(), u.nic()), true
	case ActionSwitch:
		return fmt.Sprintf("lead the routes of %s through %s", u.nic(), u.bridge()), true
	case ActionQuiet:
		return fmt.Sprintf("have NetworkManager leave the addresses of %s to %s", u.nic(), u.bridge()), true
	case ActionBare:
		return fmt.Sprintf("take the addresses from %s, and announce them from %s", u.nic(), u.bridge()), true
	case ActionRelease:
		return "take the addresses of " + u.NIC + " from lo", true
	case ActionConfirm:
		return fmt.Sprintf("see the gateways and the API server answer through %s, or take all back", u.bridge()), true
	case ActionKeep:
		return fmt.Sprintf("keep what Kube-OVN made of %s: bridge %s", u.NIC, u.Bridge), true
	}
	return "", false
}

// Undoing is the undoing of a step of a takeover, for people; "" where there is
// nothing to undo.
func (s Step) Undoing() string {
	u := s.Uplink
	switch s.Action {
	case ActionHold:
		return "take the addresses from lo"
	case ActionRename:
		return fmt.Sprintf("rename %s to %s while it is up", u.Device(), u.NIC)
	case ActionBridge:
		return "delete bridge " + u.Bridge
	case ActionDress:
		return "set " + u.bridge() + " down"
	case ActionCopy:
		return fmt.Sprintf("take the addresses, rules and neighbours from %s, and announce them from %s", u.bridge(), u.nic())
	case ActionJoin:
		return "take port " + u.Member() + " out of " + u.Bridge
	case ActionIsolate:
		return "let the host hear " + u.Member() + " again"
	case ActionSwitch:
		return fmt.Sprintf("lead the routes of %s through %s", u.bridge(), u.nic())
	case ActionQuiet:
		return fmt.Sprintf("have NetworkManager configure %s by its profile again", u.nic())
	case ActionBare:
		return fmt.Sprintf("give %s the addresses, rules and neighbours of %s as well", u.nic(), u.bridge())
	case ActionRelease:
		return "keep the addresses on lo as well"
	case ActionKeep:
		return fmt.Sprintf("give %s all that %s has, and delete the bridge", u.nic(), u.Bridge)
	case ActionMapping:
		return "unmap network " + u.Provider
	}
	return ""
}

// nic and bridge name the two devices so that they are not mistaken for each
// other where they have exchanged their names.
func (u Uplink) nic() string {
	if u.Exchange {
		return "the NIC " + u.Device()
	}
	return u.NIC
}

func (u Uplink) bridge() string {
	if u.Exchange {
		return "the bridge " + u.Bridge
	}
	return u.Bridge
}

// ErrConnectivityLost says that a gateway or the API server does not answer by the
// device that has the node's addresses.
var ErrConnectivityLost = errors.New("no answer")

// ErrTakeoverUnsupported says that this kernel cannot do a step of a takeover.
var ErrTakeoverUnsupported = errors.New("this kernel does not let a NIC be taken over so")
