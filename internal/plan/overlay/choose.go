package overlay

import (
	corev1 "k8s.io/api/core/v1"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/ipam"
	"hawser/internal/plan"
)

// Choose says which subnets a pod may get its address from, in the order in
// which they are to be tried (the next when one is full): the one its
// annotation names, else those bound to its namespace, oldest first, else the
// default subnet. Subnets that cannot hold a static address the pod asks for
// are left out.
func Choose(c Cluster, pod *corev1.Pod, ns *corev1.Namespace, subnets []*kubeovnv1.Subnet) ([]string, []plan.Problem) {
	panic("skeleton")
}

// Wants reads a pod's annotations ip_address, mac_address, ip_pool and
// ip_family into a request for its subnet n.
func Wants(pod *corev1.Pod, n Network) (ipam.Request, []plan.Problem) { panic("skeleton") }

// NamespaceAnnotations returns the annotations that tell of the subnets bound
// to a namespace: logical_switch, cidr and exclude_ips. Values are empty when
// none is bound.
func NamespaceAnnotations(c Cluster, ns *corev1.Namespace, subnets []*kubeovnv1.Subnet) map[string]string {
	panic("skeleton")
}
