package controller

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/controller/claim"
)

// Store reads objects from the informers' caches.
type Store struct {
	Cache client.Reader
}

// shared makes reads from the cache return its own objects instead of copies.
const shared = client.UnsafeDisableDeepCopy

// get reads an object from the cache, to look at and not to change; found is
// false when there is none.
func (s Store) get(ctx context.Context, key client.ObjectKey, into client.Object) (found bool, err error) {
	err = s.Cache.Get(ctx, key, into, shared)
	switch {
	case err == nil:
		return true, nil
	case apierrors.IsNotFound(err):
		return false, nil
	}
	return false, fmt.Errorf("reading %T %s: %w", into, key, err)
}

// subnet reads a Subnet; nil when there is none.
func (s Store) subnet(ctx context.Context, name string) (*kubeovnv1.Subnet, error) {
	var subnet kubeovnv1.Subnet
	found, err := s.get(ctx, client.ObjectKey{Name: name}, &subnet)
	if !found {
		return nil, err
	}
	return &subnet, nil
}

// subnets lists all Subnets, or those with a value of an index.
func (s Store) subnets(ctx context.Context, opts ...client.ListOption) ([]*kubeovnv1.Subnet, error) {
	var list kubeovnv1.SubnetList
	if err := s.Cache.List(ctx, &list, append(opts, shared)...); err != nil {
		return nil, fmt.Errorf("listing subnets: %w", err)
	}
	subnets := make([]*kubeovnv1.Subnet, len(list.Items))
	for i := range list.Items {
		subnets[i] = &list.Items[i]
	}
	return subnets, nil
}

// nodes lists all Nodes.
func (s Store) nodes(ctx context.Context) ([]*corev1.Node, error) {
	var list corev1.NodeList
	if err := s.Cache.List(ctx, &list, shared); err != nil {
		return nil, fmt.Errorf("listing nodes: %w", err)
	}
	nodes := make([]*corev1.Node, len(list.Items))
	for i := range list.Items {
		nodes[i] = &list.Items[i]
	}
	return nodes, nil
}

// bound lists the Subnets that may be bound to a namespace: those that name it,
// and all that have selectors.
func (s Store) bound(ctx context.Context, namespace string) ([]*kubeovnv1.Subnet, error) {
	named, err := s.subnets(ctx, client.MatchingFields{indexNamespace: namespace})
	if err != nil {
		return nil, err
	}
	selecting, err := s.subnets(ctx, client.MatchingFields{indexNamespace: anySelector})
	return append(named, selecting...), err
}

// InUse tells whether the holder of an IP object is known to use its address.
func (s Store) InUse(ip *kubeovnv1.IP) bool {
	var obj client.Object
	kind, key := holderOf(ip)
	switch kind {
	case "Pod":
		obj = &corev1.Pod{}
	case "Node":
		obj = &corev1.Node{}
	default:
		return false
	}
	if err := s.Cache.Get(context.Background(), key, obj, shared); err != nil {
		return false
	}
	given := obj.GetAnnotations()
	lease := claim.LeaseOf(&kubeovnv1.IP{Spec: kubeovnv1.IPSpec{IPAddress: given[kubeovnv1.AnnotationIPAddress]}})
	held := claim.LeaseOf(ip)
	return given[kubeovnv1.AnnotationAllocated] == "true" && slices.Equal(lease.Addresses, held.Addresses)
}
