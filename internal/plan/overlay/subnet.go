package overlay

import (
	"fmt"
	"net/netip"
	"slices"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/logical"
	"hawser/internal/plan"
)

// SubnetInput is all that a Subnet's state depends on.
type SubnetInput struct {
	Cluster Cluster
	Network Network
	Join    Network // used by private subnets of the default VPC only
	// Others are the prefixes of all other subnets of the VPC but join; only a
	// private subnet looks at them. Those that overlap what the subnet has to
	// reach are passed over: they belong to a subnet that Check refuses.
	Others []netip.Prefix
}

// Subnet plans a logical switch and its attachment to the router, or to the
// physical network. The switch
// needs no router advertisements: pods have static addresses and routes.
func Subnet(in SubnetInput) (logical.State, []plan.Problem) {
	n := in.Network
	if n.Vpc == "" {
		message := fmt.Sprintf("provider %s: only subnets of primary interfaces, provider %s, are supported yet", n.Provider, kubeovnv1.ProviderOVN)
		return logical.State{}, []plan.Problem{{Object: SubnetOwner(n.Name), Reason: plan.Unsupported, Message: message}}
	}
	if n.Vlan != "" {
		return underlay(in), nil
	}
	port := RouterPortName(n.Vpc, n.Name)
	state := logical.State{
		Switches: []logical.Switch{{Name: n.Name}},
		RouterPorts: []logical.RouterPort{{
			Router: n.Vpc, Name: port, MAC: RouterMAC(n.Vpc, n.Name), Networks: routerNetworks(n),
		}},
		SwitchPorts: []logical.SwitchPort{{
			Switch: n.Name, Name: switchPortName(n.Vpc, n.Name), Type: logical.PortRouter,
			Addresses: []string{"router"}, Options: map[string]string{"router-port": port},
		}},
	}
	if n.Vpc == in.Cluster.Vpc {
		state.Policies = stayInside(n)
	}
	if n.Private {
		state.ACLs = isolate(in)
	}
	return state, nil
}

// routerNetworks are the gateways with the lengths of their prefixes.
func routerNetworks(n Network) []netip.Prefix {
	var networks []netip.Prefix
	for i, prefix := range n.Prefixes {
		networks = append(networks, netip.PrefixFrom(n.Gateways[i], prefix.Bits()))
	}
	return networks
}

// stayInside keeps what is for this subnet from leaving through a node.
func stayInside(n Network) []logical.Policy {
	var policies []logical.Policy
	for _, prefix := range n.Prefixes {
		policies = append(policies, logical.Policy{
			Router: n.Vpc, Priority: prioritySubnet, Action: logical.PolicyAllow,
			Match: fmt.Sprintf("%s.dst == %s", ip(prefix.Addr()), prefix),
		})
	}
	return policies
}

// The ACLs of a private subnet stand in the tier and below the priorities of
// NetworkPolicies, as Kube-OVN has them: a policy that allows a flow wins.
const (
	isolationTier  = 2
	isolationDrop  = 1000
	isolationAllow = 1001
)

// isolate plans the ACLs of a private subnet, by family:
//
//	in:  only from the subnet itself, allowSubnets, and, in the default VPC,
//	     nodes: kubelet's probes and what a node masquerades
//	out: to no other subnet of the VPC but allowSubnets. Services, nodes, which
//	     may be in an underlay subnet, and the outside stay within reach: without
//	     DNS and the API server a pod is of little use
func isolate(in SubnetInput) []logical.ACL {
	var acls []logical.ACL
	for _, prefix := range in.Network.Prefixes {
		acls = append(acls, isolateInward(in, prefix)...)
		acls = append(acls, isolateOutward(in, prefix)...)
	}
	return acls
}

func isolateInward(in SubnetInput, prefix netip.Prefix) []logical.ACL {
	family := ip(prefix.Addr())
	allowed := append([]netip.Prefix{prefix}, in.Network.AllowSubnets...)
	if in.Network.Vpc == in.Cluster.Vpc {
		allowed = append(allowed, in.Join.Prefixes...)
	}
	to := fmt.Sprintf("%s.dst == %s", family, prefix)
	from := fmt.Sprintf("%s.src == %s", family, oneOf(append(ofFamily(prefix, allowed), in.nodesOf(family)...)))
	return []logical.ACL{
		{Switch: in.Network.Name, Direction: "to-lport", Tier: isolationTier, Priority: isolationDrop, Match: to, Action: "drop"},
		{Switch: in.Network.Name, Direction: "to-lport", Tier: isolationTier, Priority: isolationAllow, Match: to + " && " + from, Action: "allow-related"},
	}
}

func isolateOutward(in SubnetInput, prefix netip.Prefix) []logical.ACL {
	var acls []logical.ACL
	family := ip(prefix.Addr())
	rule := func(priority int, action string, destinations []string) {
		if len(destinations) > 0 {
			match := fmt.Sprintf("%s.src == %s && %s.dst == %s", family, prefix, family, oneOf(destinations))
			acls = append(acls, logical.ACL{Switch: in.Network.Name, Direction: "from-lport", Tier: isolationTier, Priority: priority, Match: match, Action: action})
		}
	}
	neighbours, allowed := ofFamily(prefix, in.neighbours()), ofFamily(prefix, in.Network.AllowSubnets)
	if len(neighbours) > 0 {
		allowed = append(allowed, in.nodesOf(family)...)
	}
	rule(isolationDrop, "drop", neighbours)
	rule(isolationAllow, "allow-related", allowed)
	return acls
}

// nodesOf is the address set of the nodes, which the default VPC's pods know.
func (in SubnetInput) nodesOf(family string) []string {
	if in.Network.Vpc != in.Cluster.Vpc {
		return nil
	}
	return []string{"$" + NodesGroup + "_" + family}
}

// neighbours are Others without those that cannot be what they say: somebody's
// mistake elsewhere must not cut a subnet off from itself, nodes or services.
func (in SubnetInput) neighbours() []netip.Prefix {
	needed := slices.Concat(in.Network.Prefixes, in.Join.Prefixes, in.Cluster.ServiceCIDRs)
	return slices.DeleteFunc(slices.Clone(in.Others), func(other netip.Prefix) bool {
		return slices.ContainsFunc(needed, other.Overlaps)
	})
}

// ofFamily returns those of some prefixes that are of one's family, in
// canonical order and each once, as text.
func ofFamily(one netip.Prefix, all []netip.Prefix) []string {
	all = slices.SortedFunc(slices.Values(all), comparePrefixes)
	var texts []string
	for _, prefix := range slices.Compact(all) {
		if familyOf(prefix) == familyOf(one) {
			texts = append(texts, prefix.String())
		}
	}
	return texts
}
