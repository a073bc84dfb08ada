package agent

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/log"

	kubeovnv1 "hawser/api/v1"
)

// leave takes all that is ours from the node, the CNI configuration first, and
// says so by taking off the chassis annotation. It happens at uninstallation
// only; this process does nothing more then.
func (n *Node) leave(ctx context.Context, node *corev1.Node) error {
	if n.left {
		return nil
	}
	removed := errors.Join(n.Conflist.remove(), n.Uplinks.Leave(ctx))
	changed, err := n.Host.empty(ctx, n.Userspace())
	if err := errors.Join(removed, err); err != nil {
		return fmt.Errorf("leave node %s: %w", node.Name, err)
	}
	done := map[string]any{"metadata": map[string]any{"annotations": map[string]any{kubeovnv1.AnnotationChassis: nil}}}
	if err := n.Client.Patch(ctx, bare(node), patchOf(types.MergePatchType, done)); err != nil {
		return fmt.Errorf("tell that node %s is left: %w", node.Name, err)
	}
	n.left = true
	log.FromContext(ctx).Info("left the node: the fabric is being uninstalled", "changes", changed)
	return nil
}
