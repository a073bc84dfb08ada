package overlay

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/ipam"
	"hawser/internal/plan"
)

// Surroundings is what a Subnet must not clash with.
type Surroundings struct {
	Subnets []*kubeovnv1.Subnet // may contain the subnet itself
	Vpcs    []string            // names
	NodeIPs []netip.Addr        // InternalIPs
	// Misfit is what ipam.Registry.Misfit says of the subnet as it is now
	// written; nil if nobody would lose an address.
	Misfit error
}

// Check compares a Subnet with what else there is in the cluster. Of two
// subnets that clash, the one whose spec is not realised yet has the problem,
// else the younger: a mistake in one object never takes down another that works.
func Check(c Cluster, s *kubeovnv1.Subnet, around Surroundings) []plan.Problem {
	n, _ := Parse(c, s) // its own problems are the caller's to report
	check := &checker{reader: reader{object: SubnetOwner(s.Name)}, Network: n, cluster: c}
	check.vpcs(around.Vpcs)
	check.holders(around.Misfit)
	if n.Vpc == c.Vpc {
		check.services()
	}
	if n.Vpc == c.Vpc && n.Vlan == "" { // nodes may well be in a physical network
		check.nodes(around.NodeIPs)
	}
	for _, other := range around.Subnets {
		if other.Name != s.Name && precedes(other, s) {
			check.other(other)
		}
	}
	return check.problems
}

// checker compares one network with others.
type checker struct {
	reader
	Network
	cluster Cluster
}

func (n *checker) vpcs(vpcs []string) {
	if n.Name == n.cluster.Vpc || slices.Contains(vpcs, n.Name) {
		n.report(plan.NameClash, "a Vpc is also named %s: in OVN, switch and router would be named alike; rename the subnet", n.Name)
	}
	if n.Vpc != "" && n.Vpc != n.cluster.Vpc && !slices.Contains(vpcs, n.Vpc) {
		n.report(plan.UnknownVpc, "vpc %s does not exist", n.Vpc)
	}
}

// holders: a pod does not survive that its address becomes another's.
func (n *checker) holders(misfit error) {
	var held *ipam.Error
	if errors.As(misfit, &held) {
		n.report(plan.InUse, "%s would lose its address with this change: %v; undo it, or delete the holder first", held.By, held)
	}
}

// services: pods reach ClusterIPs through their node, which a subnet with
// the same addresses would prevent.
func (n *checker) services() {
	for _, prefix := range n.Prefixes {
		for _, services := range n.cluster.ServiceCIDRs {
			if prefix.Overlaps(services) {
				n.report(plan.Overlap, "cidrBlock %s overlaps the service network %s", prefix, services)
			}
		}
		for _, server := range n.cluster.APIServers {
			if prefix.Contains(server) {
				n.report(plan.Overlap, "cidrBlock %s contains the API server's service address %s", prefix, server)
			}
		}
	}
}

// nodes: what is sent to a node must not be taken for a pod's. One node is
// enough to say so.
func (n *checker) nodes(nodes []netip.Addr) {
	if i := slices.IndexFunc(nodes, n.Contains); i >= 0 {
		n.report(plan.Overlap, "cidrBlock %s contains the node address %s", n.CIDR(), nodes[i])
	}
}

func (n *checker) other(subnet *kubeovnv1.Subnet) {
	other, _ := Parse(n.cluster, subnet)
	if RouterPortName(n.Vpc, n.Name) == RouterPortName(other.Vpc, other.Name) {
		n.report(plan.NameClash, "its router port would be named %s, as that of subnet %s in vpc %s; rename the subnet",
			RouterPortName(n.Vpc, n.Name), other.Name, other.Vpc)
	}
	if n.Vpc != other.Vpc {
		return
	}
	for _, mine := range n.Prefixes {
		for _, theirs := range other.Prefixes {
			if mine.Overlaps(theirs) {
				n.report(plan.Overlap, "cidrBlock %s overlaps %s of subnet %s in vpc %s", mine, theirs, other.Name, n.Vpc)
			}
		}
	}
}

// precedes orders subnets by right of way.
func precedes(a, b *kubeovnv1.Subnet) bool {
	if realised := isRealised(a); realised != isRealised(b) {
		return realised
	}
	return olderFirst(a, b) < 0
}

// isRealised tells whether the spec as it is now is in OVN.
func isRealised(s *kubeovnv1.Subnet) bool {
	return slices.ContainsFunc(s.Status.Conditions, func(c kubeovnv1.Condition) bool {
		return c.Type == kubeovnv1.ConditionReady && c.Status == metav1.ConditionTrue && c.ObservedGeneration == s.Generation
	})
}

func olderFirst(a, b *kubeovnv1.Subnet) int {
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
}
