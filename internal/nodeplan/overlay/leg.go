package overlay

import (
	"fmt"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
	"hawser/internal/plan"
)

// leg is the node's ovn0, as the controller's annotations on the Node say.
type leg struct {
	port     string // its logical switch port
	mac      host.MAC
	networks []network // one for each family
}

// network is the leg's place in one address family of the join subnet.
type network struct {
	address netip.Prefix // the leg's own, with the length of the subnet
	gateway netip.Addr
}

func (n network) is6() bool { return n.gateway.Is6() }

func parseLeg(node *corev1.Node) (leg, *plan.Problem) {
	notes := node.Annotations
	if notes[kubeovnv1.AnnotationIPAddress] == "" {
		return leg{}, problemf(node, plan.MissingAddress, "the controller has not given ovn0 an address yet: see kube-ovn-controller's log if this stays")
	}
	out := leg{port: notes[kubeovnv1.AnnotationPortName]}
	if out.port == "" {
		out.port = "node-" + node.Name
	}
	var err error
	if out.mac, err = host.ParseMAC(notes[kubeovnv1.AnnotationMACAddress]); err != nil {
		return leg{}, problemf(node, plan.Malformed, "annotation %s: %v", kubeovnv1.AnnotationMACAddress, err)
	}
	if out.networks, err = parseNetworks(notes); err != nil {
		return leg{}, problemf(node, plan.Malformed, "%v", err)
	}
	return out, nil
}

// parseNetworks reads three lists that belong together, family by family.
func parseNetworks(notes map[string]string) ([]network, error) {
	addresses := strings.Split(notes[kubeovnv1.AnnotationIPAddress], ",")
	prefixes := strings.Split(notes[kubeovnv1.AnnotationCIDR], ",")
	gateways := strings.Split(notes[kubeovnv1.AnnotationGateway], ",")
	if len(addresses) != len(prefixes) || len(addresses) != len(gateways) {
		return nil, fmt.Errorf("annotations %s, %s and %s differ in their number of families",
			kubeovnv1.AnnotationIPAddress, kubeovnv1.AnnotationCIDR, kubeovnv1.AnnotationGateway)
	}
	var out []network
	for i := range addresses {
		address, err := netip.ParseAddr(addresses[i])
		if err != nil {
			return nil, fmt.Errorf("annotation %s: %w", kubeovnv1.AnnotationIPAddress, err)
		}
		prefix, err := netip.ParsePrefix(prefixes[i])
		if err != nil {
			return nil, fmt.Errorf("annotation %s: %w", kubeovnv1.AnnotationCIDR, err)
		}
		gateway, err := netip.ParseAddr(gateways[i])
		if err != nil {
			return nil, fmt.Errorf("annotation %s: %w", kubeovnv1.AnnotationGateway, err)
		}
		if !prefix.Contains(address) || !prefix.Contains(gateway) {
			return nil, fmt.Errorf("annotations of ovn0: address %s and gateway %s are not both in %s", address, gateway, prefix)
		}
		out = append(out, network{address: netip.PrefixFrom(address, prefix.Bits()), gateway: gateway})
	}
	return out, nil
}

func (l leg) has4() bool { _, ok := l.of(false); return ok }
func (l leg) has6() bool { _, ok := l.of(true); return ok }

// of finds the leg's network of a family.
func (l leg) of(is6 bool) (network, bool) {
	for _, n := range l.networks {
		if n.is6() == is6 {
			return n, true
		}
	}
	return network{}, false
}

// add wants the leg: a port of the integration bridge, and the device behind it.
func (l leg) add(desired *host.Desired, mtu int) {
	desired.Switching.Ports = append(desired.Switching.Ports, host.BridgePort{
		Bridge: host.IntegrationBridge, Name: host.NodeLink, Type: "internal", MAC: l.mac, MTU: mtu,
		ExternalIDs: map[string]string{"iface-id": l.port},
	})
	wanted := &desired.Network
	wanted.Links = append(wanted.Links, host.Link{Name: host.NodeLink, Up: true})
	for _, n := range l.networks {
		wanted.Addresses = append(wanted.Addresses, host.Address{Link: host.NodeLink, Prefix: n.address})
	}
	wanted.Sysctls = append(wanted.Sysctls, quiet(host.NodeLink)...)
	if l.has4() {
		wanted.Sysctls = append(wanted.Sysctls, host.Sysctl{Key: "net/ipv4/conf/ovn0/forwarding", Value: "1"})
	}
	if l.has6() {
		wanted.Sysctls = append(wanted.Sysctls,
			host.Sysctl{Key: "net/ipv6/conf/ovn0/disable_ipv6", Value: "0"},
			host.Sysctl{Key: "net/ipv6/conf/ovn0/accept_ra", Value: "0"})
	}
}

// quiet makes a device answer for, and ask on behalf of, its own addresses
// only: by default Linux answers on any device for all that it has.
func quiet(link string) []host.Sysctl {
	return []host.Sysctl{
		{Key: "net/ipv4/conf/" + link + "/arp_ignore", Value: "1"},
		{Key: "net/ipv4/conf/" + link + "/arp_announce", Value: "2"},
	}
}

func problemf(node *corev1.Node, reason plan.Reason, format string, args ...any) *plan.Problem {
	return &plan.Problem{Object: owner(node), Reason: reason, Message: fmt.Sprintf(format, args...)}
}
