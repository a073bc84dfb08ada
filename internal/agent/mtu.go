package agent

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
)

// MTU of new pods of a subnet, in bytes: what its spec says, else what the
// tunnel leaves; 0 while the node has not been ready.
func (n *Node) MTU(ctx context.Context, subnet string) int {
	var s kubeovnv1.Subnet
	if err := n.Client.Get(ctx, client.ObjectKey{Name: subnet}, &s); err == nil && s.Spec.MTU > 0 {
		return int(s.Spec.MTU)
	}
	return n.State.MTU()
}
