package overlay

import (
	"fmt"
	"net/netip"
	"strings"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
	"hawser/internal/logical"
)

// Localnet is where a switch meets a physical network.
type Localnet struct {
	Provider string // name of the ProviderNetwork
	VLAN     int    // 0 is untagged
}

// LocalnetPortName names the port by which a switch meets the physical network.
func LocalnetPortName(subnet string) string { return "localnet." + subnet }

// underlay plans the switch of an underlay subnet. Its gateway is outside, on
// the wire. In the default VPC the router is on the switch as well, for its own
// pods' way to Services and back (docs/decisions/0008):
//
//	pod ── switch ── localnet ── wire ── gateway, hosts, nodes
//	          │
//	          └───── router ── ovn0 of the pod's node ── Services
//
// The router has no address of the network: what it has is the network's own,
// which no host can have. Pods know it as ServiceGateway4 and 6, which the
// switch answers for. Nothing of the router, those answers included, gets onto
// the wire, and nothing from the wire to the router: the physical network does
// not know of it, and cannot use it. Nor do pods and wire meet in what bridges say to
// each other (reserved).
func underlay(in SubnetInput) logical.State {
	n := in.Network
	state := logical.State{
		// The router learns nothing from what the physical network broadcasts.
		Switches: []logical.Switch{{Name: n.Name, OtherConfig: map[string]string{"broadcast-arps-to-all-routers": "false"}}},
		SwitchPorts: []logical.SwitchPort{{
			Switch: n.Name, Name: LocalnetPortName(n.Name), Type: logical.PortLocalnet,
			Addresses: []string{"unknown"}, Options: map[string]string{"network_name": n.Localnet.Provider}, Tag: n.Localnet.VLAN,
		}},
	}
	if n.Private {
		state.ACLs = isolate(in)
	}
	state.ACLs = append(state.ACLs, reserved(n))
	networks := n.nameless()
	if n.Vpc != in.Cluster.Vpc || len(networks) == 0 {
		return state
	}
	port, mac := RouterPortName(n.Vpc, n.Name), RouterMAC(n.Vpc, n.Name)
	state.RouterPorts = []logical.RouterPort{{Router: n.Vpc, Name: port, MAC: mac, Networks: networks}}
	state.SwitchPorts = append(state.SwitchPorts, logical.SwitchPort{
		Switch: n.Name, Name: switchPortName(n.Vpc, n.Name), Type: logical.PortRouter,
		Addresses: []string{serviceGateways(mac, networks)}, Options: map[string]string{"router-port": port},
	})
	state.ACLs = append(state.ACLs, apart(n, networks)...)
	return state
}

// serviceGateways are the addresses that the switch answers for in the router's
// place. They are the port's own and no arp_proxy: a switch with one also answers
// for its pods when the wire asks, on every chassis, so that the physical switches
// take each pod to be at all nodes.
func serviceGateways(mac host.MAC, networks []netip.Prefix) string {
	words := []string{mac.String()}
	for _, network := range networks {
		words = append(words, network.Addr().String())
	}
	return strings.Join(append(words, kubeovnv1.ServiceGateway4, kubeovnv1.ServiceGateway6), " ")
}

// nameless are the networks with the one address of each that no host has: the
// network's own, which for IPv6 is that of any router (RFC 4291, 2.6.1). An IPv4
// network of two addresses has none to spare.
func (n Network) nameless() []netip.Prefix {
	var networks []netip.Prefix
	for _, prefix := range n.Prefixes {
		if prefix.Addr().Is6() || prefix.Bits() < 31 {
			networks = append(networks, prefix.Masked())
		}
	}
	return networks
}

// reserved drops frames that no bridge passes on (IEEE 802.1Q, 8.6.3). Open vSwitch
// does so by itself in a provider's bridge, but one that speaks RSTP says it to its
// patch as well, and hears it from there: pods would hear of the spanning tree outside,
// and could have it changed.
func reserved(n Network) logical.ACL {
	return logical.ACL{Switch: n.Name, Direction: "from-lport", Priority: apartDrop, Match: "eth.dst == 01:80:c2:00:00:00/ff:ff:ff:ff:ff:f0", Action: "drop"}
}

// apart keeps wire and router from each other. The tier is asked before those of
// users' policies. Neighbour discovery passes all ACLs (northd lets it by before it
// asks them), so a host that asks for the network's own IPv6 address is answered;
// what it sends there is dropped.
func apart(n Network, networks []netip.Prefix) []logical.ACL {
	port, mac := LocalnetPortName(n.Name), RouterMAC(n.Vpc, n.Name)
	fromWire := fmt.Sprintf("inport == %q && (eth.dst == %s", port, mac)
	for _, network := range networks {
		if network.Addr().Is4() {
			fromWire += " || arp.tpa == " + network.Addr().String()
		}
	}
	return []logical.ACL{
		{Switch: n.Name, Direction: "from-lport", Priority: apartDrop, Match: fromWire + ")", Action: "drop"},
		{Switch: n.Name, Direction: "to-lport", Priority: apartDrop, Match: fmt.Sprintf("outport == %q && eth.src == %s", port, mac), Action: "drop"},
	}
}

const apartDrop = 32000
