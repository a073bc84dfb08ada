package overlay

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/ipam"
	"hawser/internal/plan"
)

// Network is a Subnet's spec, read once: defaults filled in, host bits masked,
// IPv4 before IPv6.
type Network struct {
	Name         string
	Vpc          string
	Provider     string
	Prefixes     []netip.Prefix
	Gateways     []netip.Addr // one for each prefix, in the same order
	Excludes     []ipam.Range
	Private      bool
	AllowSubnets []netip.Prefix
	NatOutgoing  bool
	MTU          int // 0: what the tunnel, or of an underlay the NIC, leaves
	// Vlan is the name of the Vlan that the switch is joined to; empty is a
	// network of the overlay. Package underlay looks up Localnet by it.
	Vlan     string
	Localnet Localnet
}

// Parse reads a Subnet. With Problems the Network is not fit to be realised;
// what could be read of it is there nevertheless.
func Parse(c Cluster, s *kubeovnv1.Subnet) (Network, []plan.Problem) {
	r := &reader{object: SubnetOwner(s.Name)}
	n := Network{
		Name:        s.Name,
		Vpc:         s.Spec.Vpc,
		Provider:    cmp.Or(s.Spec.Provider, kubeovnv1.ProviderOVN),
		Prefixes:    r.prefixes("cidrBlock", s.Spec.CIDRBlock),
		Excludes:    r.excludes("excludeIps", s.Spec.ExcludeIPs),
		Private:     s.Spec.Private,
		NatOutgoing: s.Spec.NatOutgoing,
		MTU:         int(s.Spec.MTU),
		Vlan:        s.Spec.Vlan,
	}
	if n.Vpc == "" && n.isPrimary() {
		n.Vpc = c.Vpc
	}
	switch empty := strings.TrimSpace(s.Spec.CIDRBlock) == ""; {
	case empty && n.Vlan == "":
		r.report(plan.Malformed, "cidrBlock is empty: name a network such as 10.16.0.0/16")
	case empty && n.Private:
		r.report(plan.Malformed, "private is by addresses, and without cidrBlock nobody knows which the pods have: name the network, or leave private out")
	case !empty:
		n.Gateways = r.gateways(n.Prefixes, s.Spec.Gateway)
	}
	if n.Vlan != "" && s.Spec.NodeNetwork != "" {
		r.report(plan.Malformed, "nodeNetwork %s is for tunnels, which a subnet with a vlan has none of; remove one of the two", s.Spec.NodeNetwork)
	}
	for _, text := range s.Spec.AllowSubnets {
		if prefix, ok := r.prefix("allowSubnets", text); ok {
			n.AllowSubnets = append(n.AllowSubnets, prefix)
		}
	}
	for _, selector := range s.Spec.NamespaceSelectors {
		if _, err := metav1.LabelSelectorAsSelector(&selector); err != nil {
			r.report(plan.Malformed, "namespaceSelectors: %v", err)
		}
	}
	return n, r.problems
}

// gateways finds the gateway of each prefix: the one that is named, else the
// first host.
func (r *reader) gateways(prefixes []netip.Prefix, text string) []netip.Addr {
	named := r.addresses("gateway", text)
	var gateways []netip.Addr
	for _, prefix := range prefixes {
		gateway := prefix.Addr().Next()
		isOfFamily := func(a netip.Addr) bool { return a.BitLen() == gateway.BitLen() }
		if i := slices.IndexFunc(named, isOfFamily); i >= 0 {
			gateway = named[i]
			named = slices.Delete(named, i, i+1)
		}
		r.checkGateway(prefix, gateway)
		gateways = append(gateways, gateway)
	}
	for _, stray := range named {
		r.report(plan.OutOfSubnet, "gateway %s is of a family that cidrBlock does not have", stray)
	}
	return gateways
}

func (r *reader) checkGateway(prefix netip.Prefix, gateway netip.Addr) {
	whole := ipam.RangeOf(prefix)
	switch {
	case !prefix.Contains(gateway):
		r.report(plan.OutOfSubnet, "gateway %s lies outside cidrBlock %s", gateway, prefix)
	case gateway == whole.First:
		r.report(plan.OutOfSubnet, "gateway %s is the network address of cidrBlock %s", gateway, prefix)
	case gateway == whole.Last && gateway.Is4():
		r.report(plan.OutOfSubnet, "gateway %s is the broadcast address of cidrBlock %s", gateway, prefix)
	}
}

// Space is what package ipam has to know of the network.
func (n Network) Space() ipam.Subnet {
	space := ipam.Subnet{Name: n.Name, Excludes: n.Excludes, RouterMAC: RouterMAC(n.Vpc, n.Name)}
	for i, prefix := range n.Prefixes {
		space.Networks = append(space.Networks, ipam.Network{Prefix: prefix, Gateway: n.Gateways[i]})
	}
	return space
}

// Contains tells whether an address is of one of the network's prefixes.
func (n Network) Contains(addr netip.Addr) bool {
	return slices.ContainsFunc(n.Prefixes, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// isPrimary tells whether pods' first interfaces are in the network, as opposed
// to attachments.
func (n Network) isPrimary() bool { return n.Provider == kubeovnv1.ProviderOVN }

// CIDR is the contract's form of the prefixes, "v4,v6".
func (n Network) CIDR() string { return joined(n.Prefixes, ",") }

// Gateway is the contract's form of the gateways, "v4,v6".
func (n Network) Gateway() string { return joined(n.Gateways, ",") }

// Protocol is the word for the network's families.
func (n Network) Protocol() string {
	switch {
	case len(n.Prefixes) == 0:
		return kubeovnv1.ProtocolMac
	case len(n.Prefixes) == 2:
		return kubeovnv1.ProtocolDual
	case len(n.Prefixes) == 1 && n.Prefixes[0].Addr().Is6():
		return kubeovnv1.ProtocolIPv6
	}
	return kubeovnv1.ProtocolIPv4
}

// Defaults returns the spec fields, by JSON name, that the controller fills by
// server-side apply: those that the user left empty. Only protocol is also put
// right when it is wrong, because it says nothing that cidrBlock does not. It
// is empty when nothing is to be filled.
func Defaults(c Cluster, s *kubeovnv1.Subnet) map[string]any {
	n, problems := Parse(c, s)
	if len(problems) > 0 {
		return nil
	}
	fill := map[string]any{}
	if s.Spec.Protocol != n.Protocol() {
		fill["protocol"] = n.Protocol()
	}
	for field, value := range map[string]struct {
		have, want string
		fits       bool
	}{
		"gateway":     {s.Spec.Gateway, n.Gateway(), len(n.Prefixes) > 0},
		"provider":    {s.Spec.Provider, n.Provider, true},
		"vpc":         {s.Spec.Vpc, n.Vpc, n.isPrimary()},
		"gatewayType": {s.Spec.GatewayType, kubeovnv1.GatewayDistributed, n.isPrimary() && n.Vpc == c.Vpc},
	} {
		if value.have == "" && value.fits {
			fill[field] = value.want
		}
	}
	return fill
}
