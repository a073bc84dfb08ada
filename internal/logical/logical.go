// Package logical holds the words of the virtual network: routers, switches,
// ports, policies. They say what one owner wants OVN's northbound database to
// hold, in terms of names; the northbound edge turns them into rows. The
// package is pure and knows nothing of Kubernetes or of OVSDB.
package logical

import (
	"net/netip"
	"strings"

	"hawser/internal/host"
)

// Owner is the Kubernetes object that a row exists for. No owner ever writes
// another owner's row.
type Owner struct {
	Kind      string
	Namespace string // empty for cluster-scoped kinds
	Name      string
}

// String is the form kept in external_ids:owner, "<Kind>/<namespace>/<name>".
func (o Owner) String() string { return o.Kind + "/" + o.Namespace + "/" + o.Name }

// ParseOwner reads what String wrote.
func ParseOwner(text string) (Owner, bool) {
	parts := strings.Split(text, "/")
	if len(parts) != 3 || parts[0] == "" || parts[2] == "" {
		return Owner{}, false
	}
	return Owner{Kind: parts[0], Namespace: parts[1], Name: parts[2]}, true
}

// State is all that one owner wants to exist. The zero State means nothing:
// applying it is how an owner's rows are deleted.
type State struct {
	Routers      []Router
	Switches     []Switch
	RouterPorts  []RouterPort
	SwitchPorts  []SwitchPort
	PortGroups   []PortGroup
	Policies     []Policy
	StaticRoutes []StaticRoute
	ACLs         []ACL
}

// Router is a logical router, named as the Vpc it serves.
type Router struct {
	Name    string
	Options map[string]string
}

// Switch is a logical switch, named as the Subnet it serves.
type Switch struct {
	Name        string
	OtherConfig map[string]string
}

// RouterPort joins a router to a network. The switch port that it is wired to
// is a SwitchPort of type PortRouter with option router-port.
type RouterPort struct {
	Router   string
	Name     string
	MAC      host.MAC
	Networks []netip.Prefix // address of the port with the length of its network
	Options  map[string]string
}

// PortType is the type column of a logical switch port.
type PortType string

// The types of port in use (ovn-nb(5), Logical_Switch_Port, "type").
const (
	PortVIF      PortType = ""
	PortRouter   PortType = "router"
	PortLocalnet PortType = "localnet"
)

// SwitchPort is a port of a logical switch. Its switch, and the port groups it
// joins, may belong to other owners; they have to exist first.
type SwitchPort struct {
	Switch       string
	Name         string
	Type         PortType
	Addresses    []string // each "MAC ip ip…", or "router", "unknown"
	PortSecurity []string
	Options      map[string]string
	ExternalIDs  map[string]string
	Groups       []string
	Tag          int // VLAN of a localnet port; 0 is untagged
}

// PortGroup is a set of ports that policies and ACLs refer to by name. Its
// members say themselves that they belong to it (SwitchPort.Groups).
type PortGroup struct {
	Name        string
	ExternalIDs map[string]string
}

// Policy is a routing policy of a router; the highest priority that matches
// decides.
type Policy struct {
	Router   string
	Priority int // 0 to 32767
	Match    string
	Action   PolicyAction
	NextHops []netip.Addr // for ActionReroute; several mean ECMP
}

// PolicyAction is what a routing policy does with a packet.
type PolicyAction string

// The actions of ovn-nb(5), Logical_Router_Policy.
const (
	PolicyAllow   PolicyAction = "allow"
	PolicyDrop    PolicyAction = "drop"
	PolicyReroute PolicyAction = "reroute"
)

// StaticRoute is a route of a router.
type StaticRoute struct {
	Router  string
	Table   string
	Prefix  netip.Prefix
	NextHop netip.Addr
}

// ACL is a rule on a switch or on a port group: exactly one of both is named.
type ACL struct {
	Switch    string
	PortGroup string
	Direction string // "from-lport" or "to-lport"
	Priority  int    // 0 to 32767
	Match     string
	Action    string // "allow", "allow-related", "drop", …
	Tier      int    // 0 to 3
}
