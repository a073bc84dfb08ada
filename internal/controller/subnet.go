package controller

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/controller/claim"
	"hawser/internal/controller/finalizer"
	"hawser/internal/controller/judgement"
	"hawser/internal/logical"
	"hawser/internal/plan"
	"hawser/internal/plan/overlay"
	"hawser/internal/plan/support"
)

// Subnets gives each Subnet its switch and its place in the registry.
type Subnets struct{ *Fabric }

// Reconcile brings one Subnet, or what is left of it, to what it should be.
func (r *Subnets) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	subnet, err := r.subnet(ctx, req.Name)
	switch {
	case err != nil:
		return reconcile.Result{}, err
	case subnet == nil:
		return reconcile.Result{}, r.remove(ctx, req.Name)
	case subnet.DeletionTimestamp != nil:
		return reconcile.Result{}, r.release(ctx, subnet)
	}
	if err := r.complete(ctx, subnet); err != nil {
		return reconcile.Result{}, err
	}
	verdict, err := r.judge(ctx, subnet)
	if err != nil {
		return reconcile.Result{}, err
	}
	if verdict.Realisable() {
		verdict.Refused, err = r.realise(ctx, subnet)
	}
	if errors.Is(err, ErrParentMissing) {
		return reconcile.Result{}, nil
	}
	return reconcile.Result{}, errors.Join(err, r.report(ctx, subnet, verdict))
}

// judge gathers what a Subnet may clash with, and asks the planners.
func (r *Subnets) judge(ctx context.Context, subnet *kubeovnv1.Subnet) (judgement.Verdict, error) {
	around, err := r.surroundings(ctx)
	if err != nil {
		return judgement.Verdict{}, err
	}
	network, problems, err := r.network(ctx, r.Cluster, subnet)
	if err != nil {
		return judgement.Verdict{}, err
	}
	if len(problems) == 0 {
		around.Misfit = r.Claims.Registry.Misfit(network.Space())
	}
	problems = append(problems, overlay.Check(r.Cluster, subnet, around)...)
	blocking, others := support.Subnet(subnet)
	return judgement.Verdict{Problems: problems, Blocking: blocking, Others: others}, nil
}

func (r *Subnets) surroundings(ctx context.Context) (around overlay.Surroundings, err error) {
	if around.Subnets, err = r.subnets(ctx); err != nil {
		return around, err
	}
	var vpcs kubeovnv1.VpcList
	var nodes corev1.NodeList
	if err := errors.Join(r.Cache.List(ctx, &vpcs, shared), r.Cache.List(ctx, &nodes, shared)); err != nil {
		return around, fmt.Errorf("listing what a subnet may clash with: %w", err)
	}
	for i := range vpcs.Items {
		around.Vpcs = append(around.Vpcs, vpcs.Items[i].Name)
	}
	for i := range nodes.Items {
		around.NodeIPs = append(around.NodeIPs, overlay.InternalIPs(&nodes.Items[i])...)
	}
	return around, nil
}

// realise makes the network known to whoever wants an address, and writes its
// rows. The switch comes last, so that no port waits for it longer than needed.
func (r *Subnets) realise(ctx context.Context, subnet *kubeovnv1.Subnet) ([]plan.Problem, error) {
	network, _, err := r.network(ctx, r.Cluster, subnet)
	if err != nil {
		return nil, err
	}
	lookout := r.room.Lookout(overlay.SubnetOwner(subnet.Name).String(), topicRows(overlay.VpcOwner(network.Vpc)), topicNetwork(r.Cluster.JoinSubnet))
	r.learn(network)
	in := overlay.SubnetInput{Cluster: r.Cluster, Network: network}
	if network.Private {
		if err := r.gatherNeighbours(ctx, &in); err != nil {
			return nil, err
		}
	}
	want, problems := overlay.Subnet(in)
	if len(problems) > 0 {
		return problems, nil
	}
	refused, err := r.apply(ctx, overlay.SubnetOwner(subnet.Name), want)
	if errors.Is(err, ErrParentMissing) {
		lookout.Wait(func() { r.boxes.subnets.Add(requestFor(subnet.Name)) })
	}
	return refused, err
}

// learn makes a network's addresses available.
func (f *Fabric) learn(network overlay.Network) {
	before, known := f.networks.get(network.Name)
	f.Claims.Registry.SetSubnet(network.Space())
	f.networks.set(network)
	f.room.Change(topicNetwork(network.Name))
	f.room.Change(topicNetworks)
	f.room.Change(topicSpace(network.Name))
	f.boxes.usage.Add(requestFor(network.Name))
	if known && before.Localnet != network.Localnet {
		f.retag(network.Name)
	}
}

// gatherNeighbours finds what a private subnet keeps out or lets in.
func (r *Subnets) gatherNeighbours(ctx context.Context, in *overlay.SubnetInput) error {
	in.Join, _ = r.networks.get(r.Cluster.JoinSubnet)
	all, err := r.subnets(ctx)
	if err != nil {
		return err
	}
	for _, other := range all {
		if other.Name == in.Network.Name || other.Name == r.Cluster.JoinSubnet {
			continue
		}
		if network, problems := overlay.Parse(r.Cluster, other); len(problems) == 0 && network.Vpc == in.Network.Vpc {
			in.Others = append(in.Others, network.Prefixes...)
		}
	}
	slices.SortFunc(in.Others, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	return nil
}

// report writes the conditions, and an event for each that is bad news.
func (r *Subnets) report(ctx context.Context, subnet *kubeovnv1.Subnet, verdict judgement.Verdict) error {
	list, news := judgement.Merge(subnet.Status.Conditions, verdict.Conditions(), subnet.Generation, time.Now())
	if slices.Equal(list, subnet.Status.Conditions) {
		return nil
	}
	r.announce(subnet, news)
	next := subnet.DeepCopy()
	next.Status.Conditions = list
	return r.patchStatus(ctx, subnet, next)
}

// release lets a Subnet go once nobody has an address of it.
func (r *Subnets) release(ctx context.Context, subnet *kubeovnv1.Subnet) error {
	if !finalizer.On(subnet) {
		return nil
	}
	if used := len(r.Claims.Book.Names(claim.SubnetGroup(subnet.Name))); used > 0 {
		r.Events.Eventf(subnet, nil, corev1.EventTypeWarning, "InUse", "Delete",
			"%d addresses of the subnet are in use; it goes when the last one does: kubectl get ip -l %s=%s", used, kubeovnv1.LabelSubnet, subnet.Name)
		return nil
	}
	if err := r.remove(ctx, subnet.Name); err != nil {
		return err
	}
	return finalizer.Drop(ctx, r.API, subnet)
}

// remove takes away what is left of a Subnet.
func (r *Subnets) remove(ctx context.Context, name string) error {
	r.room.Leave(overlay.SubnetOwner(name).String())
	if _, err := r.apply(ctx, overlay.SubnetOwner(name), logical.State{}); err != nil {
		return err
	}
	r.networks.remove(name)
	r.Claims.Registry.RemoveSubnet(name)
	return nil
}

func requestFor(name string) reconcile.Request {
	return reconcile.Request{NamespacedName: client.ObjectKey{Name: name}}
}
