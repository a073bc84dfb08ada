package provider

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/controller/judgement"
	"hawser/internal/plan/overlay"
	"hawser/internal/plan/underlay"
)

// Recorder writes events on objects (k8s.io/client-go/tools/events).
type Recorder interface {
	Eventf(regarding, related runtime.Object, eventtype, reason, action, note string, args ...any)
}

// Desk is what the reconcilers of this package share.
type Desk struct {
	Cache   client.Reader // objects in it belong to everybody: never to be changed
	API     client.Client // writes only
	Events  Recorder
	Cluster overlay.Cluster
}

// shared makes reads from the cache return its own objects instead of copies.
const shared = client.UnsafeDisableDeepCopy

// get reads an object from the cache; found is false when there is none.
func (d Desk) get(ctx context.Context, name string, into client.Object) (found bool, err error) {
	err = d.Cache.Get(ctx, client.ObjectKey{Name: name}, into)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading %T %s: %w", into, name, err)
	}
	return true, nil
}

// Landscape lists the Vlans and provider networks.
func Landscape(ctx context.Context, cache client.Reader, cluster overlay.Cluster) (underlay.Landscape, error) {
	land := underlay.Landscape{Cluster: cluster}
	var vlans kubeovnv1.VlanList
	var networks kubeovnv1.ProviderNetworkList
	for _, list := range []client.ObjectList{&vlans, &networks} {
		if err := cache.List(ctx, list, shared); err != nil {
			return land, fmt.Errorf("listing %T: %w", list, err)
		}
	}
	for i := range vlans.Items {
		land.Vlans = append(land.Vlans, &vlans.Items[i])
	}
	for i := range networks.Items {
		land.Networks = append(land.Networks, &networks.Items[i])
	}
	return land, nil
}

// patchStatus writes what differs in the status.
func (d Desk) patchStatus(ctx context.Context, old, next client.Object) error {
	if err := d.API.Status().Patch(ctx, next, client.MergeFrom(old)); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("writing the status of %s: %w", old.GetName(), err))
	}
	return nil
}

// announce makes an event of each condition that has become bad news: that work
// goes on is none.
func (d Desk) announce(obj client.Object, news []kubeovnv1.Condition) {
	for _, c := range news {
		if c.Status == metav1.ConditionFalse && c.Reason != underlay.ReasonInProgress {
			d.Events.Eventf(obj, nil, corev1.EventTypeWarning, c.Reason, "Reconcile", "%s", c.Message)
		}
	}
}

// inUse says who keeps an object that is being deleted, as a verdict.
func (d Desk) inUse(obj client.Object, by, names string) {
	d.Events.Eventf(obj, nil, corev1.EventTypeWarning, "InUse", "Delete", "%s in use by %s %s; it goes when they do", obj.GetName(), by, names)
}

// readyInstead puts a condition in the place of the verdict's one of that type.
func readyInstead(verdict judgement.Verdict, ready kubeovnv1.Condition) []kubeovnv1.Condition {
	conditions := verdict.Conditions()
	if !verdict.Realisable() {
		return conditions
	}
	for i := range conditions {
		if conditions[i].Type == ready.Type {
			conditions[i] = ready
		}
	}
	return conditions
}
