package overlay

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/ipam"
	"hawser/internal/logical"
	"hawser/internal/plan"
)

// NodeInput is all that a Node's state depends on. Lease is that of
// NodePortName(node) in the join subnet.
type NodeInput struct {
	Cluster Cluster
	Node    *corev1.Node
	Nodes   []*corev1.Node // of the cluster; may contain the node itself
	Join    Network
	Lease   ipam.Lease
}

// Node plans the port of ovn0 and the policies that lead to it.
//
// The port also bears the node's own addresses, though nothing sends them there
// by ARP: so they become members of the address sets of NodesGroup, by which a
// private subnet knows the node's own packets (kubelet's probes have the node's
// address as their source), without a list of all nodes in each subnet.
func Node(in NodeInput) (logical.State, []plan.Problem) {
	port, group := NodePortName(in.Node.Name), NodeGroup(in.Node.Name)
	if len(in.Lease.Addresses) == 0 {
		return logical.State{}, missingAddress(NodeOwner(in.Node.Name), port)
	}
	if elder := Namesake(in.Node, in.Nodes); elder != nil {
		return logical.State{}, []plan.Problem{{Object: NodeOwner(in.Node.Name), Reason: plan.NameClash, Message: fmt.Sprintf(
			"the port group of its pods would be named %s, as that of node %s: OVN's names know no '-'; give one of them another name", group, elder.Name)}}
	}
	internal := InternalIPs(in.Node)
	state := logical.State{
		SwitchPorts: []logical.SwitchPort{{
			Switch: in.Join.Name, Name: port,
			Addresses: portAddresses(in.Lease, internal...),
			Groups:    []string{NodesGroup},
		}},
		PortGroups: []logical.PortGroup{{Name: group}},
	}
	for _, gateway := range in.Lease.Addresses {
		for _, addr := range ofFamilyOf(gateway, internal) {
			state.Policies = append(state.Policies, in.reroute(priorityNode, fmt.Sprintf("%s.dst == %s", ip(addr), addr), gateway))
		}
		state.Policies = append(state.Policies, in.reroute(priorityEgress, fmt.Sprintf("%s.src == $%s_%s", ip(gateway), group, ip(gateway)), gateway))
	}
	return state, nil
}

// Namesake is the elder node whose group of pods has the name that this node's
// would have, if there is one. Pods of both in one group would all leave through
// the one node.
func Namesake(node *corev1.Node, nodes []*corev1.Node) *corev1.Node {
	group := NodeGroup(node.Name)
	for _, other := range nodes {
		if other.Name != node.Name && NodeGroup(other.Name) == group && elder(other, node) {
			return other
		}
	}
	return nil
}

func elder(a, b *corev1.Node) bool {
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name)) < 0
}

func (in NodeInput) reroute(priority int, match string, to netip.Addr) logical.Policy {
	return logical.Policy{
		Router: in.Cluster.Vpc, Priority: priority, Match: match,
		Action: logical.PolicyReroute, NextHops: []netip.Addr{to},
	}
}

// InternalIPs are a node's own addresses, IPv4 first.
func InternalIPs(node *corev1.Node) []netip.Addr {
	var addrs []netip.Addr
	for _, a := range node.Status.Addresses {
		if addr, err := netip.ParseAddr(a.Address); err == nil && a.Type == corev1.NodeInternalIP {
			addrs = append(addrs, addr.Unmap())
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs)
}

func ofFamilyOf(one netip.Addr, all []netip.Addr) []netip.Addr {
	var same []netip.Addr
	for _, addr := range all {
		if ipam.FamilyOf(addr) == ipam.FamilyOf(one) {
			same = append(same, addr)
		}
	}
	return same
}

// NodeAnnotations returns what tells the agent how to configure ovn0.
func NodeAnnotations(in NodeInput) map[string]string {
	return map[string]string{
		kubeovnv1.AnnotationAllocated:     "true",
		kubeovnv1.AnnotationIPAddress:     joined(in.Lease.Addresses, ","),
		kubeovnv1.AnnotationMACAddress:    in.Lease.MAC.String(),
		kubeovnv1.AnnotationCIDR:          in.Join.CIDR(),
		kubeovnv1.AnnotationGateway:       in.Join.Gateway(),
		kubeovnv1.AnnotationLogicalSwitch: in.Join.Name,
		kubeovnv1.AnnotationPortName:      NodePortName(in.Node.Name),
	}
}
