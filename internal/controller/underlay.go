package controller

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/controller/claim"
	"hawser/internal/controller/provider"
	"hawser/internal/plan"
	"hawser/internal/plan/overlay"
)

// network reads a Subnet, and where the VLAN is that it names.
func (s Store) network(ctx context.Context, c overlay.Cluster, subnet *kubeovnv1.Subnet) (overlay.Network, []plan.Problem, error) {
	network, problems := overlay.Parse(c, subnet)
	if network.Vlan == "" {
		return network, problems, nil
	}
	land, err := provider.Landscape(ctx, s.Cache, c)
	if err != nil {
		return network, nil, err
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

// underlaySubnets are those that a Vlan or a provider network may matter to.
func (m mapping) underlaySubnets(ctx context.Context, _ client.Object) []reconcile.Request {
	return m.requestsOf(ctx, func(subnet *kubeovnv1.Subnet) bool { return subnet.Spec.Vlan != "" })
}
