package cni

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"hawser/internal/nodeplan/attachment"
)

// sweep detaches, once after the start, the pods that went while no agent ran.
// It is DEL for each of them.
func (d *detacher) sweep(ctx context.Context) {
	logger := log.FromContext(ctx)
	if !d.cfg.Pods.WaitForCacheSync(ctx) {
		return // stopping
	}
	// What is attached is read before the pods are: ADD attaches only a pod that
	// is in the cache, so that none of a new pod's can be taken for left behind.
	attached := d.attached(ctx)
	var pods corev1.PodList
	if err := d.cfg.Pods.List(ctx, &pods); err != nil {
		logger.Error(err, "cannot list the pods of this node; what pods left behind stays until the next start")
		return
	}
	for _, pod := range pods.Items {
		delete(attached, attachment.Owner(pod.Namespace, pod.Name))
	}
	err := d.detachAll(ctx, func(owner, _ string) bool { return attached[owner] })
	if err != nil {
		logger.Error(err, "cannot remove all that pods left behind; the rest stays until the next start")
		return
	}
	logger.Info("removed what pods left behind while no agent ran", "pods", len(attached))
}

// attached are the owners of all ports and cables of pods.
func (d *detacher) attached(ctx context.Context) map[string]bool {
	owners := map[string]bool{}
	_ = d.detachAll(ctx, func(owner, _ string) bool {
		owners[owner] = true
		return false
	})
	return owners
}
