package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/controller/finalizer"
	"hawser/internal/controller/judgement"
	"hawser/internal/plan/underlay"
)

// Networks gives each provider network its part on every node, and each node its
// turn.
type Networks struct{ Desk }

// view is all that a provider network's reconciler looks at.
type view struct {
	name string
	underlay.Input
	land underlay.Landscape
}

// Reconcile brings one provider network, or what is left of it, to what it
// should be.
func (r *Networks) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	v, err := r.gather(ctx, req.Name)
	if err != nil {
		return reconcile.Result{}, err
	}
	again, err := r.letGo(ctx, v)
	if err != nil {
		return reconcile.Result{}, err
	}
	if v.Network == nil || v.Network.DeletionTimestamp != nil {
		err = r.release(ctx, v)
	} else {
		err = r.realise(ctx, v)
	}
	return reconcile.Result{RequeueAfter: again}, err
}

func (r *Networks) gather(ctx context.Context, name string) (view, error) {
	v := view{name: name}
	var pn kubeovnv1.ProviderNetwork
	found, err := r.get(ctx, name, &pn)
	if err != nil {
		return v, err
	}
	if found {
		v.Network = &pn
	}
	if v.land, err = Landscape(ctx, r.Cache, r.Cluster); err != nil {
		return v, err
	}
	var nodes corev1.NodeList
	var parts kubeovnv1.ProviderNetworkNodeList
	if err := errors.Join(r.Cache.List(ctx, &nodes, shared), r.Cache.List(ctx, &parts, shared)); err != nil {
		return v, fmt.Errorf("listing the nodes of provider network %s: %w", name, err)
	}
	for i := range nodes.Items {
		v.Nodes = append(v.Nodes, &nodes.Items[i])
	}
	for i := range parts.Items {
		if parts.Items[i].Spec.ProviderNetwork == name {
			v.Parts = append(v.Parts, &parts.Items[i])
		}
	}
	return v, nil
}

// letGo takes our finalizer off the parts that are done with, and tells when one
// that is not may be by itself.
func (r *Networks) letGo(ctx context.Context, v view) (again time.Duration, err error) {
	var errs []error
	nodes := v.nodesByName()
	for _, part := range v.Parts {
		if part.DeletionTimestamp == nil || !finalizer.On(part) {
			continue
		}
		ok, left := underlay.Released(part, nodes[part.Spec.Node], time.Now())
		if ok {
			errs = append(errs, finalizer.Drop(ctx, r.API, part))
		} else if left > 0 && (again == 0 || left < again) {
			again = left
		}
	}
	return again, errors.Join(errs...)
}

// realise makes, changes and deletes parts, and reports.
func (r *Networks) realise(ctx context.Context, v view) error {
	if err := finalizer.Add(ctx, r.API, v.Network); err != nil {
		return err
	}
	verdict := judgement.Verdict{Problems: underlay.Check(v.Network, v.Nodes, v.land.Networks)}
	var err error
	if verdict.Realisable() {
		err = r.write(ctx, underlay.Plan(v.Input))
	}
	return errors.Join(err, r.label(ctx, v), r.report(ctx, v, verdict))
}

// write carries out what was planned. One part that fails does not keep the
// others.
func (r *Networks) write(ctx context.Context, work underlay.Work) error {
	var errs []error
	for _, part := range work.Add {
		if err := r.API.Create(ctx, part); client.IgnoreAlreadyExists(err) != nil {
			errs = append(errs, fmt.Errorf("creating provider network node %s: %w", part.Name, err))
		}
	}
	for _, change := range work.Change {
		if err := r.API.Patch(ctx, change.Want, client.MergeFrom(change.Have)); client.IgnoreNotFound(err) != nil {
			errs = append(errs, fmt.Errorf("changing provider network node %s: %w", change.Want.Name, err))
		}
	}
	return errors.Join(append(errs, r.remove(ctx, work.Remove))...)
}

// remove asks for parts to be deleted; their agents answer by phase Released.
func (r *Networks) remove(ctx context.Context, parts []*kubeovnv1.ProviderNetworkNode) error {
	var errs []error
	for _, part := range parts {
		if part.DeletionTimestamp != nil {
			continue
		}
		if err := r.API.Delete(ctx, part, client.Preconditions{UID: &part.UID}); client.IgnoreNotFound(err) != nil {
			errs = append(errs, fmt.Errorf("deleting provider network node %s: %w", part.Name, err))
		}
	}
	return errors.Join(errs...)
}

// release lets a provider network go: first the Vlans that users have made of
// it, then the NICs of all nodes, then the labels. One that is gone already,
// because somebody took our finalizer off, goes the same way.
func (r *Networks) release(ctx context.Context, v view) error {
	if vlans := v.land.VlansOf(v.name); v.Network != nil && len(vlans) > 0 {
		r.inUse(v.Network, "vlan", strings.Join(vlans, ", "))
		return nil
	}
	if err := errors.Join(r.remove(ctx, v.Parts), r.label(ctx, v)); err != nil {
		return err
	}
	if v.Network == nil {
		return nil
	}
	if len(v.Parts) > 0 {
		return r.reportRelease(ctx, v)
	}
	return finalizer.Drop(ctx, r.API, v.Network)
}

func (v view) nodesByName() map[string]*corev1.Node {
	nodes := map[string]*corev1.Node{}
	for _, node := range v.Nodes {
		nodes[node.Name] = node
	}
	return nodes
}
