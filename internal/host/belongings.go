package host

import (
	"fmt"
	"net/netip"
	"strings"
)

// Belongings are what the host has on a NIC, as far as a takeover moves it: in a
// snapshot, for plans and for people. The edge that moves it moves the kernel's
// own messages, so that nothing is lost that has no word here.
type Belongings struct {
	Addresses  []HeldAddress // in the kernel's order: a subnet's primary before its secondaries
	Routes     []HeldRoute   // of all tables, those that follow from an address left out
	Rules      []HeldRule
	Neighbours []HeldNeighbour // set by hand, and those asked for by proxy
	Settings   []Sysctl        // that differ from a new device's
	VRRP       bool            // a VRRP daemon was told the NIC's name
}

// HeldAddress is an address of a NIC.
type HeldAddress struct {
	Prefix    netip.Prefix
	Label     string // of IPv4, where it is not the device's name
	Secondary bool   // of IPv4: it goes with its primary, without promote_secondaries
	LinkLocal bool   // the kernel's own, from the MAC
	// Leased has a lifetime that somebody renews: DHCP, router advertisements.
	Leased bool
}

// HeldRoute is a route by a NIC.
type HeldRoute struct {
	Prefix   netip.Prefix
	Table    int
	Metric   int
	Protocol int // who set it, as in rtnetlink(7)
	Source   netip.Addr
	Hops     []Hop
	// Object is the number of a nexthop object (ip-nexthop(8)), if it has one.
	Object int
}

// Hop is a way out of a route; several are ECMP.
type Hop struct {
	Link    string
	Gateway netip.Addr // zero: the destination is on the link
	Onlink  bool
	Weight  int
}

// HeldRule is a routing rule that names a NIC.
type HeldRule struct {
	Priority int
	In, Out  string
	Table    int
	IPv6     bool
}

// HeldNeighbour is an entry of a neighbour table.
type HeldNeighbour struct {
	Address netip.Addr
	MAC     MAC
	Proxy   bool
}

// Lines are all of it for people, a line each.
func (b Belongings) Lines() []string {
	var out []string
	for _, address := range b.Addresses {
		out = append(out, address.Text())
	}
	for _, route := range b.Routes {
		out = append(out, route.Text())
	}
	for _, rule := range b.Rules {
		out = append(out, rule.Text())
	}
	for _, neighbour := range b.Neighbours {
		out = append(out, neighbour.Text())
	}
	for _, setting := range b.Settings {
		out = append(out, "setting "+setting.Key+"="+setting.Value)
	}
	return out
}

// Text is the address for people.
func (a HeldAddress) Text() string {
	out := "address " + a.Prefix.String()
	if a.Label != "" {
		out += " label " + a.Label
	}
	if a.Secondary {
		out += " secondary"
	}
	if a.Leased {
		out += " with a lifetime"
	}
	return out
}

// Table numbers that people know by name.
const (
	tableDefault = 253
	TableMain    = 254
	TableLocal   = 255
)

// Text is the route for people, in the words of ip-route(8).
func (r HeldRoute) Text() string {
	out := "route " + r.Prefix.String()
	if r.Object != 0 {
		out += fmt.Sprintf(" nhid %d", r.Object)
	}
	for _, hop := range r.Hops {
		out += hop.text(len(r.Hops) > 1)
	}
	if r.Table != TableMain {
		out += " table " + tableName(r.Table)
	}
	if r.Source.IsValid() {
		out += " src " + r.Source.String()
	}
	if r.Metric != 0 {
		out += fmt.Sprintf(" metric %d", r.Metric)
	}
	return out
}

func (h Hop) text(several bool) string {
	out := ""
	if several {
		out = " nexthop"
	}
	if h.Gateway.IsValid() {
		out += " via " + h.Gateway.String()
	}
	out += " dev " + h.Link
	if several {
		out += fmt.Sprintf(" weight %d", h.Weight)
	}
	if h.Onlink {
		out += " onlink"
	}
	return out
}

func tableName(table int) string {
	switch table {
	case tableDefault:
		return "default"
	case TableMain:
		return "main"
	case TableLocal:
		return "local"
	}
	return fmt.Sprint(table)
}

// Text is the rule for people, in the words of ip-rule(8).
func (r HeldRule) Text() string {
	var out strings.Builder
	fmt.Fprintf(&out, "rule %d:", r.Priority)
	for _, word := range [][2]string{{" iif ", r.In}, {" oif ", r.Out}} {
		if word[1] != "" {
			out.WriteString(word[0] + word[1])
		}
	}
	if r.Table != 0 {
		out.WriteString(" lookup " + tableName(r.Table))
	}
	return out.String()
}

// Text is the neighbour for people.
func (n HeldNeighbour) Text() string {
	if n.Proxy {
		return "neighbour " + n.Address.String() + " by proxy"
	}
	return "neighbour " + n.Address.String() + " is " + n.MAC.String()
}
