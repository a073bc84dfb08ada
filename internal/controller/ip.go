package controller

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/controller/claim"
	"hawser/internal/logical"
	"hawser/internal/plan"
)

// labelConflict marks an IP object that reserves nothing because an older one
// has its address: an IP has no status. kubectl get ip -l lists them.
const labelConflict = "kubeovn.io/address-conflict"

// IPs looks after the IP objects that users make to reserve an address. They
// follow the same rule as ours.
type IPs struct{ *Fabric }

// Reconcile says on the object what its claim is worth.
func (r *IPs) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	found := r.Claims.Book.Judge(req.Name)
	switch {
	case found.Verdict == claim.Absent:
		r.Claims.Forget(req.Name) // of a reservation for nobody: no port used it
		return reconcile.Result{}, nil
	case found.IP == nil || claim.IsOurs(found.IP):
		return reconcile.Result{}, nil
	}
	owner := logical.Owner{Kind: "IP", Name: req.Name}
	lookout := r.room.Lookout(owner.String(), r.topicsOfLost(req.Name)...)
	if found.Verdict != claim.Lost {
		r.room.Leave(owner.String())
		r.report(found.IP, r.Claims.Restore(found.IP))
		return reconcile.Result{}, r.mark(ctx, found.IP, false)
	}
	lookout.Wait(func() { r.boxes.ips.Add(req) })
	if found.IP.Labels[labelConflict] == "" {
		r.warn(found.IP, []plan.Problem{problemOfLoss(owner, &claim.LostError{IP: found.IP, Rival: found.Rival})})
	}
	return reconcile.Result{}, r.mark(ctx, found.IP, true)
}

// report tells of an address that is not one of its subnet's.
func (r *IPs) report(ip *kubeovnv1.IP, err error) {
	if problem, ok := problemOfAddress(logical.Owner{Kind: "IP", Name: ip.Name}, err); ok {
		r.warn(ip, []plan.Problem{problem})
	}
}

// mark sets or takes away the label.
func (r *IPs) mark(ctx context.Context, ip *kubeovnv1.IP, conflict bool) error {
	_, marked := ip.Labels[labelConflict]
	if marked == conflict {
		return nil
	}
	var value *string
	if conflict {
		yes := "true"
		value = &yes
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": ip.UID, "labels": map[string]*string{labelConflict: value},
	}})
	if err != nil {
		return fmt.Errorf("marking IP %s: %w", ip.Name, err)
	}
	target := &kubeovnv1.IP{}
	target.Name = ip.Name
	if err := r.API.Patch(ctx, target, client.RawPatch(types.MergePatchType, patch)); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("marking IP %s: %w", ip.Name, err))
	}
	return nil
}
