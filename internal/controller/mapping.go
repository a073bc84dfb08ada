package controller

import (
	"cmp"
	"context"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/controller/claim"
	"hawser/internal/controller/judgement"
	"hawser/internal/plan/overlay"
)

// mapping tells for objects of other kinds which roots they matter to. None of
// its answers grows with the number of pods but podsOfStatefulSet, with those of
// one set.
type mapping struct{ *Fabric }

func (m mapping) vpcOfSubnet(_ context.Context, obj client.Object) []reconcile.Request {
	return []reconcile.Request{requestFor(cmp.Or(obj.(*kubeovnv1.Subnet).Spec.Vpc, m.Cluster.Vpc))}
}

// neighboursOf are the Subnets that another one matters to: private ones, which
// keep it out, and those that are not realised, perhaps because of it.
func (m mapping) neighboursOf(ctx context.Context, obj client.Object) []reconcile.Request {
	return m.requestsOf(ctx, func(other *kubeovnv1.Subnet) bool {
		return other.Name != obj.GetName() &&
			(other.Spec.Private || !judgement.Holds(other.Status.Conditions, kubeovnv1.ConditionReady, other.Generation))
	})
}

func (m mapping) subnetsOfVpc(ctx context.Context, obj client.Object) []reconcile.Request {
	return m.requestsOf(ctx, func(subnet *kubeovnv1.Subnet) bool {
		return cmp.Or(subnet.Spec.Vpc, m.Cluster.Vpc) == obj.GetName() || subnet.Name == obj.GetName()
	})
}

func (m mapping) requestsOf(ctx context.Context, wanted func(*kubeovnv1.Subnet) bool) []reconcile.Request {
	all, err := m.subnets(ctx)
	if err != nil {
		log.FromContext(ctx).Error(err, "cannot tell which subnets a change matters to")
		return nil
	}
	var requests []reconcile.Request
	for _, subnet := range all {
		if wanted(subnet) {
			requests = append(requests, requestFor(subnet.Name))
		}
	}
	return requests
}

// podsOfStatefulSet are the pods whose claims a StatefulSet keeps.
func (m mapping) podsOfStatefulSet(_ context.Context, obj client.Object) []reconcile.Request {
	var requests []reconcile.Request
	for _, name := range m.Claims.Book.Names(claim.StatefulSetGroup(obj.GetNamespace(), obj.GetName())) {
		pod := strings.TrimSuffix(name, overlay.PodPortName(obj.GetNamespace(), ""))
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKey{Namespace: obj.GetNamespace(), Name: pod}})
	}
	return requests
}

// namespacesOfSubnet are those that a Subnet names, selects, or has named in
// their annotation so far. Which one it selects is for the planner to say.
func (m mapping) namespacesOfSubnet(ctx context.Context, obj client.Object) []reconcile.Request {
	subnet := obj.(*kubeovnv1.Subnet)
	var list corev1.NamespaceList
	if err := m.Cache.List(ctx, &list, shared); err != nil {
		log.FromContext(ctx).Error(err, "cannot tell which namespaces a subnet matters to", "subnet", subnet.Name)
		return nil
	}
	var requests []reconcile.Request
	for i := range list.Items {
		ns := &list.Items[i]
		tells := strings.Split(ns.Annotations[kubeovnv1.AnnotationLogicalSwitch], ",")
		if subnet.Name == m.Cluster.DefaultSubnet || len(subnet.Spec.NamespaceSelectors) > 0 ||
			slices.Contains(subnet.Spec.Namespaces, ns.Name) || slices.Contains(tells, subnet.Name) {
			requests = append(requests, requestFor(ns.Name))
		}
	}
	return requests
}
