// Package hint has the agent's reconcilers look at the host again when something
// there has changed. It owns how soon, and how often what failed is tried again;
// what a look finds is the reconcilers' affair.
package hint

import (
	"context"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// calm lets a burst of hints, such as a hundred pods started at once, become
// one look at the host.
const calm = 50 * time.Millisecond

// Errors are tried again at growing intervals between these.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 30 * time.Second
)

// forever keeps the manager waiting for an API server that is away. Its default
// of two minutes would end the process.
const forever = 365 * 24 * time.Hour

// Options are those of a reconciler that has one root, the node.
func Options() controller.Options {
	return controller.Options{
		MaxConcurrentReconciles: 1,
		CacheSyncTimeout:        forever,
		RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry),
	}
}

// Source turns hints into the first request that the function gives for no
// object.
func Source(hints []<-chan struct{}, request handler.MapFunc) source.Source {
	return source.Func(func(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		for _, hint := range hints {
			go forward(ctx, hint, func() { queue.AddAfter(request(ctx, nil)[0], calm) })
		}
		return nil
	})
}

func forward(ctx context.Context, hints <-chan struct{}, each func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case _, open := <-hints:
			if !open {
				return
			}
			each()
		}
	}
}
