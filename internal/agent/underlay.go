package agent

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
)

// Uplinks are this node's NICs in provider networks; *uplink.Uplinks of the
// folder beside is one.
type Uplinks interface {
	// MTU is that of the NIC, in bytes; the error says why there is none.
	MTU(provider string) (int, error)
	// Leave takes every NIC out again, for good.
	Leave(ctx context.Context) error
}

// Terms are on what terms a pod gets its network on this node.
type Terms struct {
	Client  client.Reader // knows all Subnets
	State   *State
	Uplinks Uplinks
}

// ChecksGateway tells whether the gateways of a subnet have to answer before a
// pod starts.
func (t Terms) ChecksGateway(ctx context.Context, name string) bool {
	var subnet kubeovnv1.Subnet
	err := t.Client.Get(ctx, client.ObjectKey{Name: name}, &subnet)
	return err == nil && !subnet.Spec.DisableGatewayCheck
}

// MTU of a new pod, in bytes: what its subnet's spec says, else that of the NIC
// for a pod in a provider network, else what the tunnel leaves; 0 while the node
// has not been ready. A pod in a provider network that this node has not joined
// gets none: it could reach nobody.
func (t Terms) MTU(ctx context.Context, pod *corev1.Pod) (int, error) {
	mtu := t.State.MTU()
	if provider := pod.Annotations[kubeovnv1.AnnotationProviderNetwork]; provider != "" {
		var err error
		if mtu, err = t.Uplinks.MTU(provider); err != nil {
			return 0, err
		}
	}
	var subnet kubeovnv1.Subnet
	key := client.ObjectKey{Name: pod.Annotations[kubeovnv1.AnnotationLogicalSwitch]}
	if err := t.Client.Get(ctx, key, &subnet); err == nil && subnet.Spec.MTU > 0 {
		return int(subnet.Spec.MTU), nil
	}
	return mtu, nil
}
