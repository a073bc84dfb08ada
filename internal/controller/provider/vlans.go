package provider

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/controller/finalizer"
	"hawser/internal/controller/judgement"
	"hawser/internal/plan/support"
	"hawser/internal/plan/underlay"
)

// Vlans says of each Vlan whether it can be used, and keeps it while it is.
type Vlans struct{ Desk }

// Reconcile looks at one Vlan.
func (r *Vlans) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	var vlan kubeovnv1.Vlan
	found, err := r.get(ctx, req.Name, &vlan)
	if !found {
		return reconcile.Result{}, err
	}
	subnets, err := r.subnetsIn(ctx, vlan.Name)
	if err != nil {
		return reconcile.Result{}, err
	}
	if vlan.DeletionTimestamp != nil {
		return reconcile.Result{}, r.release(ctx, &vlan, subnets)
	}
	if err := finalizer.Add(ctx, r.API, &vlan); err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{}, r.report(ctx, &vlan, subnets)
}

func (r *Vlans) report(ctx context.Context, vlan *kubeovnv1.Vlan, subnets []string) error {
	land, err := Landscape(ctx, r.Cache, r.Cluster)
	if err != nil {
		return err
	}
	_, problems := land.Leg(vlan)
	verdict := judgement.Verdict{Problems: problems}
	verdict.Blocking, verdict.Others = support.Vlan(vlan)
	conditions, news := judgement.Merge(vlan.Status.Conditions, verdict.Conditions(), vlan.Generation, time.Now())
	next := vlan.DeepCopy()
	next.Status = kubeovnv1.VlanStatus{Conditions: conditions, Conflict: underlay.InConflict(problems), Subnets: subnets}
	if equality.Semantic.DeepEqual(vlan.Status, next.Status) {
		return nil
	}
	r.announce(vlan, news)
	return r.patchStatus(ctx, vlan, next)
}

// release lets a Vlan go once no Subnet names it.
func (r *Vlans) release(ctx context.Context, vlan *kubeovnv1.Vlan, subnets []string) error {
	if len(subnets) > 0 && finalizer.On(vlan) {
		r.inUse(vlan, "subnet", strings.Join(subnets, ", "))
		return nil
	}
	return finalizer.Drop(ctx, r.API, vlan)
}

// subnetsIn names the Subnets in a Vlan, sorted.
func (r *Vlans) subnetsIn(ctx context.Context, vlan string) ([]string, error) {
	var subnets kubeovnv1.SubnetList
	if err := r.Cache.List(ctx, &subnets, shared); err != nil {
		return nil, fmt.Errorf("listing the subnets of vlan %s: %w", vlan, err)
	}
	var names []string
	for i := range subnets.Items {
		if subnets.Items[i].Spec.Vlan == vlan {
			names = append(names, subnets.Items[i].Name)
		}
	}
	slices.Sort(names)
	return names, nil
}
