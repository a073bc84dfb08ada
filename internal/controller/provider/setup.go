package provider

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/plan/underlay"
)

// gathering is how long changes of nodes' parts are gathered before the network
// is looked at: a thousand nodes that join at once are summed up a few times.
const gathering = 200 * time.Millisecond

// AddControllers adds the reconcilers, which work while the process leads.
func (d Desk) AddControllers(mgr manager.Manager) error {
	spec := builder.WithPredicates(predicate.GenerationChangedPredicate{})
	err := builder.ControllerManagedBy(mgr).Named("provider-network").
		For(&kubeovnv1.ProviderNetwork{}, spec).
		Watches(&kubeovnv1.ProviderNetwork{}, handler.EnqueueRequestsFromMapFunc(d.everyNetwork), spec).
		Watches(&corev1.Node{}, handler.EnqueueRequestsFromMapFunc(d.networksOfNode), builder.WithPredicates(nodeChanged)).
		Watches(&kubeovnv1.ProviderNetworkNode{}, later(networkOfPart)).
		Watches(&kubeovnv1.Vlan{}, handler.EnqueueRequestsFromMapFunc(d.everyNetwork), spec).
		Complete(&Networks{d})
	if err != nil {
		return fmt.Errorf("starting the reconciler of provider networks: %w", err)
	}
	err = builder.ControllerManagedBy(mgr).Named("vlan").
		For(&kubeovnv1.Vlan{}, spec).
		Watches(&kubeovnv1.Vlan{}, handler.EnqueueRequestsFromMapFunc(d.everyVlan), spec).
		Watches(&kubeovnv1.ProviderNetwork{}, handler.EnqueueRequestsFromMapFunc(d.everyVlan), spec).
		Watches(&kubeovnv1.Subnet{}, handler.EnqueueRequestsFromMapFunc(vlanOfSubnet), spec).
		Complete(&Vlans{d})
	if err != nil {
		return fmt.Errorf("starting the reconciler of vlans: %w", err)
	}
	return nil
}

// everyNetwork is those that exist: there are few of them.
func (d Desk) everyNetwork(ctx context.Context, _ client.Object) []reconcile.Request {
	land, err := Landscape(ctx, d.Cache, d.Cluster)
	if err != nil {
		log.FromContext(ctx).Error(err, "cannot tell which provider networks a change matters to")
		return nil
	}
	var requests []reconcile.Request
	for _, network := range land.Networks {
		requests = append(requests, requestFor(network.Name))
	}
	return requests
}

// networksOfNode is those that exist, and those of which a node still has labels.
func (d Desk) networksOfNode(ctx context.Context, obj client.Object) []reconcile.Request {
	requests := d.everyNetwork(ctx, obj)
	for _, name := range underlay.Labelled(obj.(*corev1.Node)) {
		if request := requestFor(name); !slices.Contains(requests, request) {
			requests = append(requests, request)
		}
	}
	return requests
}

func (d Desk) everyVlan(ctx context.Context, _ client.Object) []reconcile.Request {
	land, err := Landscape(ctx, d.Cache, d.Cluster)
	if err != nil {
		log.FromContext(ctx).Error(err, "cannot tell which vlans a change matters to")
		return nil
	}
	var requests []reconcile.Request
	for _, vlan := range land.Vlans {
		requests = append(requests, requestFor(vlan.Name))
	}
	return requests
}

func vlanOfSubnet(_ context.Context, obj client.Object) []reconcile.Request {
	if vlan := obj.(*kubeovnv1.Subnet).Spec.Vlan; vlan != "" {
		return []reconcile.Request{requestFor(vlan)}
	}
	return nil
}

func networkOfPart(obj client.Object) reconcile.Request {
	return requestFor(obj.(*kubeovnv1.ProviderNetworkNode).Spec.ProviderNetwork)
}

// later enqueues what an object maps to once for all changes of a while.
func later(request func(client.Object) reconcile.Request) handler.EventHandler {
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { q.AddAfter(request(e.Object), gathering) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) { q.AddAfter(request(e.ObjectNew), gathering) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) { q.AddAfter(request(e.Object), gathering) },
	}
}

// nodeChanged passes over what the kubelet writes every few seconds.
var nodeChanged = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	before, now := e.ObjectOld.(*corev1.Node), e.ObjectNew.(*corev1.Node)
	return before.UID != now.UID || readiness(before) != readiness(now) ||
		!maps.Equal(before.Labels, now.Labels) || !maps.Equal(before.Annotations, now.Annotations)
}}

func readiness(node *corev1.Node) corev1.ConditionStatus {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status
		}
	}
	return corev1.ConditionUnknown
}

func requestFor(name string) reconcile.Request {
	return reconcile.Request{NamespacedName: client.ObjectKey{Name: name}}
}
