package controller

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
)

// The names by which Subnets are found in the cache.
const (
	indexNamespace = "spec.namespaces"
	anySelector    = "*" // under indexNamespace: those with selectors
)

// AddIndexes makes the caches find Subnets by the namespaces they name, so that
// a pod's event costs the same with ten subnets and with a thousand.
func AddIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	err := indexer.IndexField(ctx, &kubeovnv1.Subnet{}, indexNamespace, func(obj client.Object) []string {
		return namespaceKeys(obj.(*kubeovnv1.Subnet))
	})
	if err != nil {
		return fmt.Errorf("indexing subnets by namespace: %w", err)
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
