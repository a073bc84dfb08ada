package overlay

import (
	"fmt"
	"net/netip"
	"strings"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/ipam"
	"hawser/internal/logical"
	"hawser/internal/plan"
)

// Priorities of policies on a router, as Kube-OVN has them.
const (
	prioritySubnet = 31000 // stays inside
	priorityNode   = 30000 // to a node's own address
	priorityEgress = 29000 // out through the node that the pod is on
)

// VpcInput is all that a Vpc's state depends on.
type VpcInput struct {
	Cluster Cluster
	Vpc     *kubeovnv1.Vpc
	Join    Network // used by the default VPC only
}

// Vpc plans a logical router. That of the default VPC has a default route to
// the join gateway, which is the router itself: it leads nowhere, but without
// one a packet for the outside would be dropped before the policies that send
// it to a node are asked.
func Vpc(in VpcInput) (logical.State, []plan.Problem) {
	state := logical.State{Routers: []logical.Router{{
		Name: in.Vpc.Name,
		Options: map[string]string{
			// Learned neighbours are forgotten after five minutes without use.
			"mac_binding_age_threshold": "300",
			// Ports say which addresses are theirs. What is learned besides, from ARP
			// requests and advertisements for everybody, every chassis learns at once,
			// and ovn-controller computes all anew where two have learned the same.
			"always_learn_from_arp_request": "false",
		},
	}}}
	if in.Vpc.Name != in.Cluster.Vpc {
		return state, nil
	}
	state.PortGroups = []logical.PortGroup{{Name: NodesGroup}}
	for _, gateway := range in.Join.Gateways {
		state.StaticRoutes = append(state.StaticRoutes, logical.StaticRoute{
			Router: in.Vpc.Name, Prefix: everywhere(gateway), NextHop: gateway,
		})
	}
	return state, nil
}

// everywhere is the default route's prefix of an address' family.
func everywhere(addr netip.Addr) netip.Prefix {
	if addr.Is4() {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
}

// missingAddress says that there is no lease to plan with yet.
func missingAddress(object logical.Owner, port string) []plan.Problem {
	return []plan.Problem{{Object: object, Reason: plan.MissingAddress, Message: fmt.Sprintf("%s has no address yet", port)}}
}

// portAddresses is the one entry of a port's addresses: "MAC ip ip".
func portAddresses(lease ipam.Lease, more ...netip.Addr) []string {
	entry := lease.MAC.String()
	for _, addr := range append(append([]netip.Addr{}, lease.Addresses...), more...) {
		entry += " " + addr.String()
	}
	return []string{entry}
}

// ip is the family's word in OVN's expressions, "ip4" or "ip6".
func ip(addr netip.Addr) string {
	if addr.Is4() {
		return "ip4"
	}
	return "ip6"
}

// oneOf writes a set of alternatives.
func oneOf(members []string) string {
	if len(members) == 1 {
		return members[0]
	}
	return "{" + strings.Join(members, ", ") + "}"
}
