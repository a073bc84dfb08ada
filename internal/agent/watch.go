package agent

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/agent/hint"
)

// Register adds the reconciler to a manager. Each hint is a channel that says
// "the host changed, look again".
func (n *Node) Register(mgr ctrl.Manager, hints ...<-chan struct{}) error {
	if err := metrics.Registry.Register(changes); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("node").
		Watches(&corev1.Node{}, handler.EnqueueRequestsFromMapFunc(n.request), builder.WithPredicates(nodeChanged())).
		Watches(&kubeovnv1.Subnet{}, handler.EnqueueRequestsFromMapFunc(n.request), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WatchesRawSource(hint.Source(hints, n.request)).
		WithOptions(hint.Options()).
		Complete(n)
}

// request is the same for every object: there is one node.
func (n *Node) request(context.Context, client.Object) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: client.ObjectKey{Name: n.Name}}}
}

// Slim is the cache's transform for Nodes: every agent holds every Node, so
// each keeps only what a plan depends on, and its own node's condition.
func Slim(obj any) (any, error) {
	node, ok := obj.(*corev1.Node)
	if !ok {
		return obj, nil
	}
	slim := &corev1.Node{
		TypeMeta: node.TypeMeta,
		ObjectMeta: metav1.ObjectMeta{
			Name: node.Name, UID: node.UID, ResourceVersion: node.ResourceVersion,
			Annotations: maps.Clone(node.Annotations),
		},
		Status: corev1.NodeStatus{Addresses: node.Status.Addresses},
	}
	maps.DeleteFunc(slim.Annotations, func(key, _ string) bool { return !strings.HasPrefix(key, annotationPrefix) })
	if have := conditionOf(node); have != nil {
		condition := *have
		condition.LastHeartbeatTime = metav1.Time{}
		slim.Status.Conditions = []corev1.NodeCondition{condition}
	}
	return slim, nil
}

// annotationPrefix begins every annotation of the contract.
const annotationPrefix = "ovn.kubernetes.io/"

// nodeChanged passes what Slim left; a kubelet's heartbeat is nothing to us.
func nodeChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		old, oldOK := e.ObjectOld.(*corev1.Node)
		now, nowOK := e.ObjectNew.(*corev1.Node)
		return !oldOK || !nowOK ||
			!maps.Equal(old.Annotations, now.Annotations) || !reflect.DeepEqual(old.Status, now.Status)
	}}
}
