package controller

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
)

// The names by which Subnets and pods are found in the cache.
const (
	indexNamespace = "spec.namespaces"
	anySelector    = "*" // under indexNamespace: those with selectors
	indexNode      = "spec.nodeName"
)

// AddIndexes makes the caches find Subnets by the namespaces they name, and
// pods by their node, so that an event costs the same in any cluster.
func AddIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	err := indexer.IndexField(ctx, &kubeovnv1.Subnet{}, indexNamespace, func(obj client.Object) []string {
		return namespaceKeys(obj.(*kubeovnv1.Subnet))
	})
	if err != nil {
		return fmt.Errorf("indexing subnets by namespace: %w", err)
	}
	err = indexer.IndexField(ctx, &corev1.Pod{}, indexNode, func(obj client.Object) []string {
		return []string{obj.(*corev1.Pod).Spec.NodeName}
	})
	if err != nil {
		return fmt.Errorf("indexing pods by node: %w", err)
	}
	return nil
}

func namespaceKeys(subnet *kubeovnv1.Subnet) []string {
	keys := append([]string{}, subnet.Spec.Namespaces...)
	if len(subnet.Spec.NamespaceSelectors) > 0 {
		keys = append(keys, anySelector)
	}
	return keys
}
