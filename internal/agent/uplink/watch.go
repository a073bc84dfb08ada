package uplink

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/agent/hint"
)

// Register adds the reconciler to a manager, and has it recover what the journal
// knows as soon as it starts. Each hint is a channel that says "the host
// changed, look again".
func (u *Uplinks) Register(mgr ctrl.Manager, hints ...<-chan struct{}) error {
	u.questions.open()
	ask := func(ctx context.Context) error {
		u.questions.run(ctx, u.Edges.Prober, u.Now)
		return nil
	}
	if err := errors.Join(mgr.Add(manager.RunnableFunc(u.begin)), mgr.Add(manager.RunnableFunc(ask)), mgr.Add(manager.RunnableFunc(u.Edges.Patrol.Run))); err != nil {
		return err
	}
	// The request is the same for every object: there is one node.
	request := func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: client.ObjectKey{Name: u.Node}}}
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("uplinks").
		Watches(&kubeovnv1.ProviderNetworkNode{}, handler.EnqueueRequestsFromMapFunc(request), builder.WithPredicates(changed())).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(request), builder.WithPredicates(underlayPods())).
		WatchesRawSource(hint.Source(append(hints, u.questions.told, u.Edges.Patrol.Changed()), request)).
		WithOptions(hint.Options()).
		Complete(u)
}

// begin brings back what the journal knows. A host of which nothing is wanted is
// looked at once, too.
func (u *Uplinks) begin(ctx context.Context) error {
	if err := u.Recover(ctx); err != nil {
		log.FromContext(ctx).Error(err, "cannot bring all uplinks back yet; the reconciler goes on")
	}
	signal(u.questions.told)
	return nil
}

// changed leaves out what this agent itself writes, the status.
func changed() predicate.Predicate {
	deleted := predicate.NewPredicateFuncs(func(object client.Object) bool { return object.GetDeletionTimestamp() != nil })
	return predicate.Or(predicate.GenerationChangedPredicate{}, deleted)
}

// underlayPods are those in a provider network; all others are nothing to us.
func underlayPods() predicate.Predicate {
	notes := func(object client.Object) [4]string {
		notes := object.GetAnnotations()
		return [4]string{
			notes[kubeovnv1.AnnotationProviderNetwork], notes[kubeovnv1.AnnotationVlanID],
			notes[kubeovnv1.AnnotationMACAddress], notes[kubeovnv1.AnnotationLayer2Forward],
		}
	}
	inOne := func(object client.Object) bool { return notes(object)[0] != "" }
	return predicate.Funcs{
		CreateFunc: func(e event.CreateEvent) bool { return inOne(e.Object) },
		DeleteFunc: func(e event.DeleteEvent) bool { return inOne(e.Object) },
		UpdateFunc: func(e event.UpdateEvent) bool {
			old, isOld := e.ObjectOld.(*corev1.Pod)
			now, isNow := e.ObjectNew.(*corev1.Pod)
			return isOld && isNow && inOne(now) && (notes(old) != notes(now) || ended(old) != ended(now))
		},
	}
}
