package controller

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// DropFinalizers takes our finalizers off every object of some kinds. One that
// fails does not keep the others.
func DropFinalizers(ctx context.Context, api client.Client, kinds ...client.ObjectList) error {
	var errs []error
	for _, list := range kinds {
		if err := api.List(ctx, list); err != nil {
			errs = append(errs, fmt.Errorf("listing %T: %w", list, err))
			continue
		}
		_ = meta.EachListItem(list, func(item runtime.Object) error {
			errs = append(errs, dropAnew(ctx, api, item.(client.Object)))
			return nil
		})
	}
	return errors.Join(errs...)
}

// dropAnew tries again with the object as it is now if somebody, such as the
// controller that is still running, changed it meanwhile.
func dropAnew(ctx context.Context, api client.Client, obj client.Object) error {
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		if err := api.Get(ctx, client.ObjectKeyFromObject(obj), obj); err != nil {
			return client.IgnoreNotFound(err)
		}
		return DropFinalizer(ctx, api, obj)
	})
}
