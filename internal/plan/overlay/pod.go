package overlay

import (
	"net/netip"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/ipam"
	"hawser/internal/logical"
	"hawser/internal/plan"
)

// Annotations of the contract that only the planner reads.
const (
	annotationPortSecurity   = "ovn.kubernetes.io/port_security"   // "true": only its own addresses
	annotationSecurityGroups = "ovn.kubernetes.io/security_groups" // comma list
)

// PodInput is all that a Pod's state depends on. Lease is that of
// PodPortName(namespace, pod) in the subnet.
type PodInput struct {
	Cluster Cluster
	Pod     *corev1.Pod
	Network Network
	Lease   ipam.Lease
}

// Pod plans a pod's port. The pod has to be on a node. In the default VPC the
// port joins that node's group, whose packets leave through the node.
func Pod(in PodInput) (logical.State, []plan.Problem) {
	name := PodPortName(in.Pod.Namespace, in.Pod.Name)
	if in.Lease.MAC.IsZero() || len(in.Lease.Addresses) == 0 && len(in.Network.Prefixes) > 0 {
		return logical.State{}, missingAddress(PodOwner(in.Pod.Namespace, in.Pod.Name), name)
	}
	if groups := in.Pod.Annotations[annotationSecurityGroups]; groups != "" {
		return logical.State{}, []plan.Problem{{
			Object: PodOwner(in.Pod.Namespace, in.Pod.Name), Reason: plan.Unsupported,
			Message: "annotation " + annotationSecurityGroups + " is not supported yet: the pod would be open to what the groups close; remove it to go without",
		}}
	}
	port := logical.SwitchPort{
		Switch: in.Network.Name, Name: name,
		Addresses: portAddresses(in.Lease),
		ExternalIDs: map[string]string{
			"pod": in.Pod.Namespace + "/" + in.Pod.Name,
			"ls":  in.Network.Name,
		},
	}
	if in.Pod.Annotations[annotationPortSecurity] == "true" {
		port.PortSecurity = port.Addresses
	}
	if in.Pod.Annotations[kubeovnv1.AnnotationLayer2Forward] == "true" {
		port.Addresses = append(port.Addresses, "unknown") // frames that no port is known for
	}
	if in.Network.Vpc == in.Cluster.Vpc {
		port.Groups = []string{NodeGroup(in.Pod.Spec.NodeName)}
	}
	return logical.State{SwitchPorts: []logical.SwitchPort{port}}, nil
}

// servicesByRouter are the networks of Services that an underlay pod reaches by
// the router of the default VPC.
func (in PodInput) servicesByRouter() []netip.Prefix {
	if in.Network.Vpc != in.Cluster.Vpc {
		return nil
	}
	var reached []netip.Prefix
	for _, network := range in.Network.nameless() {
		for _, services := range in.Cluster.ServiceCIDRs {
			if familyOf(services) == familyOf(network) {
				reached = append(reached, services)
			}
		}
	}
	return reached
}

// PodAnnotations returns the contract's annotations of a pod whose port is
// committed, all of them in one patch.
func PodAnnotations(in PodInput) map[string]string {
	notes := map[string]string{
		kubeovnv1.AnnotationAllocated:     "true",
		kubeovnv1.AnnotationRouted:        "true",
		kubeovnv1.AnnotationIPAddress:     joined(in.Lease.Addresses, ","),
		kubeovnv1.AnnotationMACAddress:    in.Lease.MAC.String(),
		kubeovnv1.AnnotationCIDR:          in.Network.CIDR(),
		kubeovnv1.AnnotationGateway:       in.Network.Gateway(),
		kubeovnv1.AnnotationLogicalSwitch: in.Network.Name,
		kubeovnv1.AnnotationLogicalRouter: in.Network.Vpc,
		kubeovnv1.AnnotationPodNICType:    kubeovnv1.PodNICVeth,
	}
	if in.Network.Vlan != "" {
		notes[kubeovnv1.AnnotationProviderNetwork] = in.Network.Localnet.Provider
		notes[kubeovnv1.AnnotationVlanID] = strconv.Itoa(in.Network.Localnet.VLAN)
		notes[kubeovnv1.AnnotationServiceCIDR] = joined(in.servicesByRouter(), ",")
	}
	return notes
}
