// Package finalizer keeps objects until the controller has undone what exists
// because of them, and lets them go. It decides nothing.
package finalizer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
)

// On tells whether an object waits for us.
func On(obj client.Object) bool {
	return slices.Contains(obj.GetFinalizers(), kubeovnv1.Finalizer)
}

// Add has an object that nobody has changed since it was read wait for us.
func Add(ctx context.Context, api client.Client, obj client.Object) error {
	if On(obj) {
		return nil
	}
	return write(ctx, api, obj, append(slices.Clone(obj.GetFinalizers()), kubeovnv1.Finalizer))
}

// Drop takes our finalizer, in its present and its old form, off an object that
// nobody has changed since it was read.
func Drop(ctx context.Context, api client.Client, obj client.Object) error {
	rest := slices.DeleteFunc(slices.Clone(obj.GetFinalizers()), func(name string) bool {
		return name == kubeovnv1.Finalizer || name == kubeovnv1.OldFinalizer
	})
	if len(rest) == len(obj.GetFinalizers()) {
		return nil
	}
	return client.IgnoreNotFound(write(ctx, api, obj, rest))
}

func write(ctx context.Context, api client.Client, obj client.Object, finalizers []string) error {
	kind, err := api.GroupVersionKindFor(obj)
	if err != nil {
		return fmt.Errorf("changing the finalizers of %s: %w", obj.GetName(), err)
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"finalizers": finalizers, "resourceVersion": obj.GetResourceVersion(), "uid": obj.GetUID(),
	}})
	if err != nil {
		return fmt.Errorf("changing the finalizers of %s: %w", obj.GetName(), err)
	}
	target := &metav1.PartialObjectMetadata{}
	target.SetGroupVersionKind(kind)
	target.SetName(obj.GetName())
	if err := api.Patch(ctx, target, client.RawPatch(types.MergePatchType, patch)); err != nil {
		return fmt.Errorf("changing the finalizers of %s %s: %w", kind.Kind, obj.GetName(), err)
	}
	return nil
}

// DropAll takes our finalizers off every object of some kinds. One that fails
// does not keep the others.
func DropAll(ctx context.Context, api client.Client, kinds ...client.ObjectList) error {
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
		return Drop(ctx, api, obj)
	})
}
