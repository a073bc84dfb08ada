package controller

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/controller/claim"
	"hawser/internal/controller/provider"
	"hawser/internal/ipam"
	"hawser/internal/plan"
	"hawser/internal/plan/overlay"
)

// network reads a Subnet, and where the VLAN is that it names. Addresses of nodes
// are not given out there, although nobody excluded them: a pod with one would
// cut the node off.
func (s Store) network(ctx context.Context, c overlay.Cluster, subnet *kubeovnv1.Subnet) (overlay.Network, []plan.Problem, error) {
	network, problems := overlay.Parse(c, subnet)
	if network.Vlan == "" {
		return network, problems, nil
	}
	land, err := provider.Landscape(ctx, s.Cache, c)
	if err != nil {
		return network, nil, err
	}
	var nodes corev1.NodeList
	if err := s.Cache.List(ctx, &nodes, shared); err != nil {
		return network, nil, fmt.Errorf("listing the nodes that may be in subnet %s: %w", subnet.Name, err)
	}
	for i := range nodes.Items {
		for _, addr := range overlay.InternalIPs(&nodes.Items[i]) {
			network.Excludes = append(network.Excludes, ipam.Range{First: addr, Last: addr})
		}
	}
	network, more := land.Connect(network)
	return network, append(problems, more...), nil
}

// retag has the pods of a network that has moved to another VLAN be told.
func (f *Fabric) retag(subnet string) {
	for _, name := range f.Claims.Book.Names(claim.SubnetGroup(subnet)) {
		f.boxes.wakeByName(name)
	}
}

// underlaySubnets are those that a Vlan, a provider network or a node's address
// may matter to.
func (m mapping) underlaySubnets(ctx context.Context, _ client.Object) []reconcile.Request {
	return m.requestsOf(ctx, func(subnet *kubeovnv1.Subnet) bool { return subnet.Spec.Vlan != "" })
}
