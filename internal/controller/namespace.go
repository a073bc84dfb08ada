package controller

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"hawser/internal/plan/overlay"
)

// Namespaces tells on each namespace which subnets its pods come from. Nothing
// here depends on these annotations; users and tools read them.
type Namespaces struct{ *Fabric }

// Reconcile writes the annotations of one namespace if they differ.
func (r *Namespaces) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	var ns corev1.Namespace
	found, err := r.get(ctx, req.NamespacedName, &ns)
	if !found || ns.DeletionTimestamp != nil {
		return reconcile.Result{}, err
	}
	subnets, err := r.bound(ctx, ns.Name)
	if err != nil {
		return reconcile.Result{}, err
	}
	fallback, err := r.subnet(ctx, r.Cluster.DefaultSubnet)
	if err != nil {
		return reconcile.Result{}, err
	}
	if fallback != nil {
		subnets = append(subnets, fallback)
	}
	missing := changed(ns.Annotations, overlay.NamespaceAnnotations(r.Cluster, &ns, distinct(subnets)))
	if len(missing) == 0 {
		return reconcile.Result{}, nil
	}
	return reconcile.Result{}, client.IgnoreNotFound(patchAnnotations(ctx, r.API, &ns, missing))
}
