package controller

import (
	"context"
	"errors"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/controller/finalizer"
	"hawser/internal/controller/judgement"
	"hawser/internal/logical"
	"hawser/internal/plan"
	"hawser/internal/plan/overlay"
	"hawser/internal/plan/support"
)

// Vpcs gives each Vpc its router.
type Vpcs struct{ *Fabric }

// Reconcile brings one Vpc, or what is left of it, to what it should be.
func (r *Vpcs) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	var vpc kubeovnv1.Vpc
	found, err := r.get(ctx, req.NamespacedName, &vpc)
	if err != nil {
		return reconcile.Result{}, err
	}
	if !found {
		_, err := r.apply(ctx, overlay.VpcOwner(req.Name), logical.State{})
		return reconcile.Result{}, err
	}
	subnets, err := r.attached(ctx, vpc.Name)
	if err != nil {
		return reconcile.Result{}, err
	}
	if vpc.DeletionTimestamp != nil {
		return reconcile.Result{}, r.release(ctx, &vpc, subnets)
	}
	if err := finalizer.Add(ctx, r.API, &vpc); err != nil {
		return reconcile.Result{}, err
	}
	verdict := judgement.Verdict{}
	verdict.Blocking, verdict.Others = support.Vpc(&vpc)
	if verdict.Realisable() {
		verdict.Refused, err = r.realise(ctx, &vpc)
	}
	return reconcile.Result{}, errors.Join(err, r.report(ctx, &vpc, subnets, verdict))
}

func (r *Vpcs) realise(ctx context.Context, vpc *kubeovnv1.Vpc) ([]plan.Problem, error) {
	in := overlay.VpcInput{Cluster: r.Cluster, Vpc: vpc}
	if vpc.Name == r.Cluster.Vpc {
		owner := overlay.VpcOwner(vpc.Name)
		lookout := r.room.Lookout(owner.String(), topicNetwork(r.Cluster.JoinSubnet))
		in.Join, _ = r.networks.get(r.Cluster.JoinSubnet)
		lookout.Wait(func() { r.boxes.vpcs.Add(requestFor(vpc.Name)) })
	}
	want, problems := overlay.Vpc(in)
	if len(problems) > 0 {
		return problems, nil
	}
	return r.apply(ctx, overlay.VpcOwner(vpc.Name), want)
}

// attached lists the Subnets of a Vpc by name.
func (r *Vpcs) attached(ctx context.Context, vpc string) ([]string, error) {
	all, err := r.subnets(ctx)
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, subnet := range all {
		if network, _ := overlay.Parse(r.Cluster, subnet); network.Vpc == vpc {
			names = append(names, subnet.Name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// report writes the status if it differs.
func (r *Vpcs) report(ctx context.Context, vpc *kubeovnv1.Vpc, subnets []string, verdict judgement.Verdict) error {
	next := vpc.DeepCopy()
	list, news := judgement.Merge(vpc.Status.Conditions, verdict.Conditions(), vpc.Generation, time.Now())
	next.Status.Conditions = list
	next.Status.Standby = verdict.Realisable() && len(verdict.Refused) == 0
	next.Status.Router = vpc.Name
	next.Status.Subnets = subnets
	if vpc.Name == r.Cluster.Vpc {
		next.Status.Default = true
		next.Status.DefaultLogicalSwitch = r.Cluster.DefaultSubnet
	}
	if equality.Semantic.DeepEqual(vpc.Status, next.Status) {
		return nil
	}
	r.announce(vpc, news)
	return r.patchStatus(ctx, vpc, next)
}

// release lets a Vpc go once no Subnet is in it.
func (r *Vpcs) release(ctx context.Context, vpc *kubeovnv1.Vpc, subnets []string) error {
	if !finalizer.On(vpc) {
		return nil
	}
	if len(subnets) > 0 {
		r.Events.Eventf(vpc, nil, corev1.EventTypeWarning, "InUse", "Delete",
			"%d subnets are in the vpc, %s first; it goes when the last one does", len(subnets), subnets[0])
		return nil
	}
	if _, err := r.apply(ctx, overlay.VpcOwner(vpc.Name), logical.State{}); err != nil {
		return err
	}
	return finalizer.Drop(ctx, r.API, vpc)
}
