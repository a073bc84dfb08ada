package controller

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/logical"
	"hawser/internal/plan"
	"hawser/internal/plan/overlay"
)

// Fabric is what all reconcilers share.
type Fabric struct {
	Cluster overlay.Cluster
	Cache   client.Reader // informers; objects read from it are shared
	API     client.Client // writes only
	Network Network
	Events  Recorder
	Claims  *Claims

	networks *networks
	room     *room
	boxes    boxes
}

// boxes wake single keys of the root kinds.
type boxes struct {
	pods, nodes, subnets, vpcs, ips, usage *inbox
}

// NewFabric makes the parts that are shared in memory. The exported fields are
// the caller's to fill.
func NewFabric() *Fabric {
	return &Fabric{
		networks: &networks{byName: map[string]overlay.Network{}},
		room:     newRoom(),
		boxes: boxes{
			pods: &inbox{}, nodes: &inbox{}, subnets: &inbox{},
			vpcs: &inbox{}, ips: &inbox{}, usage: &inbox{after: usageInterval},
		},
	}
}

// shared makes reads from the cache return its own objects instead of copies.
const shared = client.UnsafeDisableDeepCopy

// get reads an object from the cache; found is false when there is none.
func (f *Fabric) get(ctx context.Context, key client.ObjectKey, into client.Object) (found bool, err error) {
	err = f.Cache.Get(ctx, key, into)
	switch {
	case err == nil:
		return true, nil
	case apierrors.IsNotFound(err):
		return false, nil
	}
	return false, fmt.Errorf("reading %T %s: %w", into, key, err)
}

// subnet reads a Subnet; nil when there is none.
func (f *Fabric) subnet(ctx context.Context, name string) (*kubeovnv1.Subnet, error) {
	var subnet kubeovnv1.Subnet
	found, err := f.get(ctx, client.ObjectKey{Name: name}, &subnet)
	if !found {
		return nil, err
	}
	return &subnet, nil
}

// subnets lists all Subnets, or those with a value of an index.
func (f *Fabric) subnets(ctx context.Context, opts ...client.ListOption) ([]*kubeovnv1.Subnet, error) {
	var list kubeovnv1.SubnetList
	if err := f.Cache.List(ctx, &list, append(opts, shared)...); err != nil {
		return nil, fmt.Errorf("listing subnets: %w", err)
	}
	subnets := make([]*kubeovnv1.Subnet, len(list.Items))
	for i := range list.Items {
		subnets[i] = &list.Items[i]
	}
	return subnets, nil
}

// apply writes a state. What the database refuses for good becomes a problem.
func (f *Fabric) apply(ctx context.Context, owner logical.Owner, want logical.State) ([]plan.Problem, error) {
	changed, err := f.Network.Apply(ctx, owner, want)
	var refused *RefusedError
	switch {
	case err == nil && changed > 0:
		f.room.Change(topicRows(owner))
		return nil, nil
	case errors.As(err, &refused):
		return []plan.Problem{{Object: owner, Reason: reasonRefused, Message: refused.Error()}}, nil
	case err != nil:
		return nil, fmt.Errorf("writing %s to the northbound database: %w", owner, err)
	}
	return nil, nil
}

// The topics of the waiting room.
func topicRows(owner logical.Owner) string { return "rows of " + owner.String() }
func topicNetwork(subnet string) string    { return "network " + subnet }
func topicSpace(subnet string) string      { return "space of " + subnet }
func topicAddress(subnet string, addr netip.Addr) string {
	return "address " + addr.String() + " of " + subnet
}

// topicsOf is what somebody who does not get what he wants of a subnet waits
// for: that one of the addresses that he named is freed, or else any.
func topicsOf(source Source) []string {
	named := slices.Concat(source.Want.Addresses, slices.Concat(source.Want.Candidates...))
	if len(named) == 0 {
		return []string{topicSpace(source.Subnet)}
	}
	topics := make([]string, len(named))
	for i, addr := range named {
		topics[i] = topicAddress(source.Subnet, addr)
	}
	return topics
}

// freed tells those who wait for addresses, and whoever counts them.
func (f *Fabric) freed(subnet string, addresses []netip.Addr) {
	for _, addr := range addresses {
		f.room.Change(topicAddress(subnet, addr))
	}
	f.room.ChangeFor(topicSpace(subnet), 1)
}

// reasonRefused is the reason of what OVN does not accept.
const reasonRefused plan.Reason = "Refused"

// warn puts problems onto the object that the user looks at.
func (f *Fabric) warn(object runtime.Object, problems []plan.Problem) {
	for _, p := range problems {
		f.Events.Eventf(object, nil, corev1.EventTypeWarning, string(p.Reason), "Reconcile", "%s", p.Message)
	}
}
