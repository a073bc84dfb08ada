package controller

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/controller/claim"
	"hawser/internal/controller/room"
	"hawser/internal/logical"
	"hawser/internal/plan"
	"hawser/internal/plan/overlay"
)

// Nodes gives each node its address on the join subnet, the port of its ovn0,
// and the policies that lead pods to it.
type Nodes struct{ *Fabric }

// Reconcile brings one node, or what is left of it, to what it should be.
func (r *Nodes) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	var node corev1.Node
	found, err := r.get(ctx, req.NamespacedName, &node)
	switch {
	case err != nil:
		return reconcile.Result{}, err
	case !found:
		return r.remove(ctx, req.Name)
	}
	return r.realise(ctx, &node)
}

func (r *Nodes) realise(ctx context.Context, node *corev1.Node) (reconcile.Result, error) {
	topics := []string{
		topicNetwork(r.Cluster.JoinSubnet), topicSpace(r.Cluster.JoinSubnet),
		topicRows(overlay.SubnetOwner(r.Cluster.JoinSubnet)), topicRows(overlay.VpcOwner(r.Cluster.Vpc)),
	}
	lookout := r.room.Lookout(overlay.NodeOwner(node.Name).String(), append(topics, r.topicsOfLost(overlay.NodePortName(node.Name))...)...)
	join, ok := r.networks.get(r.Cluster.JoinSubnet)
	if !ok {
		lookout.Wait(r.wake(node.Name))
		return reconcile.Result{}, nil
	}
	ip, err := r.Claims.Hold(ctx, r.ask(node))
	if err != nil {
		return r.withoutClaim(ctx, node, lookout, err)
	}
	nodes, err := r.nodes(ctx)
	if err != nil {
		return reconcile.Result{}, err
	}
	in := overlay.NodeInput{Cluster: r.Cluster, Node: node, Nodes: nodes, Join: join, Lease: claim.LeaseOf(ip)}
	want, problems := overlay.Node(in)
	if elder := overlay.Namesake(node, nodes); elder != nil {
		lookout.Add(topicRows(overlay.NodeOwner(elder.Name)))
	}
	if len(problems) == 0 {
		problems, err = r.write(ctx, node.Name, want)
	}
	switch {
	case errors.Is(err, ErrParentMissing):
		lookout.Wait(r.wake(node.Name))
		return reconcile.Result{}, nil
	case err != nil || len(problems) > 0:
		r.warn(node, problems)
		lookout.Wait(r.wake(node.Name))
		return reconcile.Result{}, err
	}
	r.room.Leave(overlay.NodeOwner(node.Name).String())
	return reconcile.Result{}, r.annotate(ctx, node, overlay.NodeAnnotations(in))
}

// write applies a node's rows. If that changed anything, the group of the
// node's pods may be a new one, without members: they say themselves that they
// belong to it, so they are looked at. It happens to a node that was deleted by
// mistake and joined again while its pods ran.
func (r *Nodes) write(ctx context.Context, node string, want logical.State) ([]plan.Problem, error) {
	changed, problems, err := r.applied(ctx, overlay.NodeOwner(node), want)
	if !changed {
		return problems, err
	}
	var pods corev1.PodList
	if err := r.Cache.List(ctx, &pods, client.MatchingFields{indexNode: node}, shared); err != nil {
		return nil, fmt.Errorf("listing the pods of node %s: %w", node, err)
	}
	for i := range pods.Items {
		r.boxes.pods.AddLater(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&pods.Items[i])})
	}
	return problems, err
}

// ask lets a node that was deleted and made again at once keep its address.
func (r *Nodes) ask(node *corev1.Node) claim.Ask {
	return claim.Ask{
		Name:    overlay.NodePortName(node.Name),
		Holder:  overlay.NodeOwner(node.Name),
		UID:     node.UID,
		Spec:    kubeovnv1.IPSpec{NodeName: node.Name},
		Keep:    true,
		Sources: []claim.Source{{Subnet: r.Cluster.JoinSubnet}},
	}
}

// annotate writes the annotations that differ, in one patch.
func (r *Nodes) annotate(ctx context.Context, node *corev1.Node, want map[string]string) error {
	missing := changed(node.Annotations, want)
	if len(missing) == 0 {
		return nil
	}
	return client.IgnoreNotFound(patchAnnotations(ctx, r.API, node, missing))
}

// withoutClaim does what the outcome of a claim asks for.
func (r *Nodes) withoutClaim(ctx context.Context, node *corev1.Node, lookout room.Lookout, err error) (reconcile.Result, error) {
	owner := overlay.NodeOwner(node.Name)
	var lost *claim.LostError
	switch {
	case errors.Is(err, claim.ErrPending):
		return reconcile.Result{}, nil
	case errors.As(err, &lost):
		lookout.Wait(r.wake(node.Name))
		return r.surrender(ctx, owner, overlay.NodePortName(node.Name))
	case errors.Is(err, claim.ErrUnfit):
		return r.surrender(ctx, owner, overlay.NodePortName(node.Name))
	}
	problem, ok := problemOfAddress(owner, err)
	if !ok {
		return reconcile.Result{}, err
	}
	r.warn(node, []plan.Problem{problem})
	lookout.Wait(r.wake(node.Name))
	return reconcile.Result{}, nil
}

// remove is the way of a node that is gone: rows first, then the claim.
func (r *Nodes) remove(ctx context.Context, name string) (reconcile.Result, error) {
	r.room.Leave(overlay.NodeOwner(name).String())
	if _, err := r.apply(ctx, overlay.NodeOwner(name), logical.State{}); err != nil {
		return reconcile.Result{}, err
	}
	_, err := r.Claims.Drop(ctx, overlay.NodePortName(name))
	return reconcile.Result{}, err
}

func (r *Nodes) wake(name string) func() {
	return func() {
		r.boxes.nodes.Add(reconcile.Request{NamespacedName: client.ObjectKey{Name: name}})
	}
}
