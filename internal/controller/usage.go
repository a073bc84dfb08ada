package controller

import (
	"context"
	"fmt"
	"time"

	"k8s.io/client-go/util/flowcontrol"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/ipam"
)

const (
	// usageInterval is how often the counts in one Subnet's status are written at
	// most. Nothing runs while no address changes hands.
	usageInterval = time.Second
	// usageRate is how often those of all Subnets are, in a second, once
	// usageBurst of them have been written at once. Such a write costs the API
	// server as much as three pods, and goes to every node.
	usageRate, usageBurst = 4, 10
)

// Usage keeps the counts in the status of each Subnet. Its queue takes a Subnet
// up one interval after the first change, together with all changes since.
type Usage struct {
	*Fabric
	turns flowcontrol.RateLimiter
}

func newUsage(f *Fabric) *Usage {
	return &Usage{Fabric: f, turns: flowcontrol.NewTokenBucketRateLimiter(usageRate, usageBurst)}
}

// Reconcile writes the counts of one Subnet if they have changed.
func (r *Usage) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	subnet, err := r.subnet(ctx, req.Name)
	if subnet == nil {
		return reconcile.Result{}, err
	}
	if subnet.DeletionTimestamp != nil {
		r.boxes.subnets.Add(req)
	}
	if _, ok := r.networks.get(req.Name); !ok {
		return reconcile.Result{}, nil
	}
	next := subnet.DeepCopy()
	setUsage(&next.Status, r.Claims.Registry.Usage(req.Name))
	if sameUsage(&subnet.Status, &next.Status) {
		return reconcile.Result{}, nil
	}
	if err := r.turns.Wait(ctx); err != nil {
		return reconcile.Result{}, fmt.Errorf("waiting to write the counts of subnet %s: %w", req.Name, err)
	}
	setUsage(&next.Status, r.Claims.Registry.Usage(req.Name))
	return reconcile.Result{}, r.patchStatus(ctx, subnet, next)
}

func setUsage(status *kubeovnv1.SubnetStatus, usage ipam.Usage) {
	status.V4UsingIPs, status.V4UsingIPRange = kubeovnv1.NewBigInt(usage.V4.Using), usage.V4.UsingRange
	status.V4AvailableIPs, status.V4AvailableIPRange = kubeovnv1.NewBigInt(usage.V4.Available), usage.V4.AvailableRange
	status.V6UsingIPs, status.V6UsingIPRange = kubeovnv1.NewBigInt(usage.V6.Using), usage.V6.UsingRange
	status.V6AvailableIPs, status.V6AvailableIPRange = kubeovnv1.NewBigInt(usage.V6.Available), usage.V6.AvailableRange
}

func sameUsage(a, b *kubeovnv1.SubnetStatus) bool {
	return a.V4UsingIPs == b.V4UsingIPs && a.V4UsingIPRange == b.V4UsingIPRange &&
		a.V4AvailableIPs == b.V4AvailableIPs && a.V4AvailableIPRange == b.V4AvailableIPRange &&
		a.V6UsingIPs == b.V6UsingIPs && a.V6UsingIPRange == b.V6UsingIPRange &&
		a.V6AvailableIPs == b.V6AvailableIPs && a.V6AvailableIPRange == b.V6AvailableIPRange
}
