package claim

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
)

// Keeper feeds a Book with the one watch of IP objects that there is. It
// runs in every replica, so that a new leader starts with a full Book.
type Keeper struct {
	API  client.WithWatch
	Book *Book
}

// Start watches until the context ends.
func (k *Keeper) Start(ctx context.Context) error {
	reflector := cache.NewReflectorWithOptions(
		cache.ToListWatcherWithWatchListSemantics(k.listWatch(), k.API), &kubeovnv1.IP{}, k.Book,
		cache.ReflectorOptions{Name: "ip-claims"})
	reflector.RunWithContext(ctx)
	return nil
}

// NeedLeaderElection is false: the Book is kept warm.
func (k *Keeper) NeedLeaderElection() bool { return false }

func (k *Keeper) listWatch() *cache.ListWatch {
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			var list kubeovnv1.IPList
			err := k.API.List(ctx, &list, asOptions(options))
			if err != nil {
				return nil, fmt.Errorf("listing IP objects: %w", err)
			}
			return &list, nil
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			found, err := k.API.Watch(ctx, &kubeovnv1.IPList{}, asOptions(options))
			if err != nil {
				return nil, fmt.Errorf("watching IP objects: %w", err)
			}
			return found, nil
		},
	}
}

func asOptions(options metav1.ListOptions) *client.ListOptions {
	return &client.ListOptions{Raw: &options, Limit: options.Limit, Continue: options.Continue}
}
