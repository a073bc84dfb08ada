package controller

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"hawser/internal/logical"
)

// surrender takes an owner's port away and then gives its claim up. The way is
// the same for a claim that was lost and for one that does not fit; the next
// pass starts over.
func (f *Fabric) surrender(ctx context.Context, owner logical.Owner, name string) (reconcile.Result, error) {
	if _, err := f.apply(ctx, owner, logical.State{}); err != nil {
		return reconcile.Result{}, err
	}
	gone, err := f.Claims.Drop(ctx, name)
	if !gone || err != nil {
		return reconcile.Result{}, err // its disappearance will be told
	}
	return reconcile.Result{RequeueAfter: time.Millisecond}, nil
}
