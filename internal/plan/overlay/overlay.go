package overlay

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/ipam"
	"hawser/internal/logical"
	"hawser/internal/plan"
)

// VpcInput is all that a Vpc's state depends on.
type VpcInput struct {
	Cluster Cluster
	Vpc     *kubeovnv1.Vpc
	Join    Network // used by the default VPC only
}

// Vpc plans a logical router.
func Vpc(in VpcInput) (logical.State, []plan.Problem) { panic("skeleton") }

// SubnetInput is all that a Subnet's state depends on.
type SubnetInput struct {
	Cluster Cluster
	Network Network
	Join    Network // used by private subnets of the default VPC only
	// Others are the prefixes of all other subnets of the VPC but join; only a
	// private subnet looks at them.
	Others []netip.Prefix
}

// Subnet plans a logical switch and its attachment to the router.
func Subnet(in SubnetInput) (logical.State, []plan.Problem) { panic("skeleton") }

// NodeInput is all that a Node's state depends on. Lease is that of
// NodePortName(node) in the join subnet.
type NodeInput struct {
	Cluster Cluster
	Node    *corev1.Node
	Join    Network
	Lease   ipam.Lease
}

// Node plans the port of ovn0 and the policies that lead to it.
func Node(in NodeInput) (logical.State, []plan.Problem) { panic("skeleton") }

// NodeAnnotations returns what tells the agent how to configure ovn0.
func NodeAnnotations(in NodeInput) map[string]string { panic("skeleton") }

// PodInput is all that a Pod's state depends on. Lease is that of
// PodPortName(pod) in the subnet.
type PodInput struct {
	Cluster Cluster
	Pod     *corev1.Pod
	Network Network
	Lease   ipam.Lease
}

// Pod plans a pod's port. The pod has to be on a node.
func Pod(in PodInput) (logical.State, []plan.Problem) { panic("skeleton") }

// PodAnnotations returns the contract's annotations of a pod whose port is
// committed, all of them in one patch.
func PodAnnotations(in PodInput) map[string]string { panic("skeleton") }
