package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/controller/claim"
	"hawser/internal/controller/room"
	"hawser/internal/logical"
	"hawser/internal/plan"
	"hawser/internal/plan/overlay"
)

// Pods gives each pod its address and its port.
type Pods struct {
	*Fabric
	patched sync.Map // pod key → patch, until the cache has seen it
}

// patch is what we have written into a pod last.
type patch struct {
	on     string // the resourceVersion that it was planned on
	values map[string]*string
}

// Reconcile brings one pod, or what is left of it, to what it should be.
func (r *Pods) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	var pod corev1.Pod
	found, err := r.get(ctx, req.NamespacedName, &pod)
	switch {
	case err != nil:
		return reconcile.Result{}, err
	case !found || finished(&pod) || pod.Spec.HostNetwork:
		return r.remove(ctx, req.NamespacedName)
	case pod.Spec.NodeName == "":
		return reconcile.Result{}, nil
	}
	sources, err := r.sources(ctx, &pod)
	if err != nil {
		return reconcile.Result{}, err
	}
	if len(sources.problems) > 0 {
		r.warn(&pod, sources.problems)
		sources.lookout.Wait(r.wake(req.NamespacedName))
		return reconcile.Result{}, nil
	}
	return r.realise(ctx, &pod, sources)
}

// sources is where a pod may get its address from.
type sources struct {
	list     []claim.Source
	problems []plan.Problem // of the pod's own making
	waiting  []plan.Problem // of subnets that will not be realised as they are
	lookout  room.Lookout   // for what lets it go on if it cannot now
}

// sources gathers: the subnets for a pod and what it wants of each.
func (r *Pods) sources(ctx context.Context, pod *corev1.Pod) (sources, error) {
	s := sources{lookout: r.room.Lookout(client.ObjectKeyFromObject(pod).String(), topicNetworks, topicRows(overlay.NodeOwner(pod.Spec.NodeName)))}
	names, problems, err := r.choose(ctx, pod)
	if err != nil || len(problems) > 0 {
		s.problems = problems
		return s, err
	}
	set, err := r.setOfPool(ctx, pod)
	if err != nil {
		return s, err
	}
	for _, name := range names {
		s.lookout.Add(topicRows(overlay.SubnetOwner(name)))
		network, ok := r.networks.get(name)
		if !ok {
			s.waiting = append(s.waiting, r.whyUnrealised(ctx, pod, name)...)
			continue
		}
		want, problems := overlay.Wants(pod, set, network)
		if len(problems) > 0 {
			s.problems = append(s.problems, problems...)
			continue
		}
		s.list = append(s.list, claim.Source{Subnet: name, Want: want})
		s.lookout.Add(topicsOf(s.list[len(s.list)-1])...)
	}
	if len(s.list) > 0 {
		s.problems = nil
	}
	return s, nil
}

// choose gathers for overlay.Choose: only the subnets that the pod could mean.
func (r *Pods) choose(ctx context.Context, pod *corev1.Pod) ([]string, []plan.Problem, error) {
	var ns corev1.Namespace
	if err := r.Cache.Get(ctx, client.ObjectKey{Name: pod.Namespace}, &ns, shared); err != nil {
		return nil, nil, fmt.Errorf("reading the namespace of pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	subnets, err := r.bound(ctx, pod.Namespace)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range []string{pod.Annotations[kubeovnv1.AnnotationLogicalSwitch], r.Cluster.DefaultSubnet} {
		subnet, err := r.subnet(ctx, name)
		if err != nil {
			return nil, nil, err
		}
		if subnet != nil {
			subnets = append(subnets, subnet)
		}
	}
	names, problems := overlay.Choose(r.Cluster, pod, &ns, distinct(subnets))
	return names, problems, nil
}

// realise claims, writes the port, and tells the agent by one patch.
func (r *Pods) realise(ctx context.Context, pod *corev1.Pod, s sources) (reconcile.Result, error) {
	key := client.ObjectKeyFromObject(pod)
	s.lookout.Add(r.topicsOfLost(overlay.PodPortName(pod.Namespace, pod.Name))...)
	ip, err := r.Claims.Hold(ctx, askOfPod(pod, s.list))
	if err != nil {
		return r.withoutClaim(ctx, pod, s, err)
	}
	s.lookout.Add(topicRows(overlay.SubnetOwner(ip.Spec.Subnet)))
	network, ok := r.networks.get(ip.Spec.Subnet)
	if !ok {
		s.lookout.Wait(r.wake(key))
		return reconcile.Result{}, nil
	}
	in := overlay.PodInput{Cluster: r.Cluster, Pod: pod, Network: network, Lease: claim.LeaseOf(ip)}
	want, problems := overlay.Pod(in)
	if len(problems) == 0 {
		problems, err = r.apply(ctx, overlay.PodOwner(key.Namespace, key.Name), want)
	}
	switch {
	case errors.Is(err, ErrParentMissing):
		s.lookout.Wait(r.wake(key))
		return reconcile.Result{}, nil
	case err != nil || len(problems) > 0:
		r.warn(pod, problems)
		return reconcile.Result{}, err
	}
	r.settle(key)
	return reconcile.Result{}, r.annotate(ctx, pod, overlay.PodAnnotations(in))
}

func askOfPod(pod *corev1.Pod, list []claim.Source) claim.Ask {
	key := client.ObjectKeyFromObject(pod)
	ask := claim.Ask{
		Name:    overlay.PodPortName(pod.Namespace, pod.Name),
		Holder:  overlay.PodOwner(key.Namespace, key.Name),
		UID:     pod.UID,
		Spec:    kubeovnv1.IPSpec{PodName: pod.Name, Namespace: pod.Namespace, NodeName: pod.Spec.NodeName},
		Sources: list,
	}
	if overlay.StatefulSetOf(pod) != "" {
		ask.Spec.PodType, ask.Keep = kubeovnv1.PodTypeStatefulSet, true
	}
	return ask
}

// annotate writes the annotations that differ, all in one patch, which the API
// server refuses if the name is another pod's by now.
func (r *Pods) annotate(ctx context.Context, pod *corev1.Pod, want map[string]string) error {
	key := client.ObjectKeyFromObject(pod)
	if last, ok := r.patched.Load(key); ok && last.(patch).on == pod.ResourceVersion {
		return nil // the cache has not seen our patch yet
	}
	r.patched.Delete(key)
	missing := changed(pod.Annotations, want)
	if len(missing) == 0 {
		return nil
	}
	r.patched.Store(key, patch{on: pod.ResourceVersion, values: missing})
	if err := patchAnnotations(ctx, r.API, pod, missing); err != nil {
		r.patched.Delete(key)
		return client.IgnoreNotFound(err)
	}
	podSeconds.Observe(sinceScheduled(pod))
	return nil
}

// matters leaves out the update that our own patch has made: the pod was looked
// at before, with nothing left to do.
func (r *Pods) matters(e event.UpdateEvent) bool {
	if !podChanged.Update(e) {
		return false
	}
	key := client.ObjectKeyFromObject(e.ObjectNew)
	last, ok := r.patched.Load(key)
	if !ok || !isEcho(e, last.(patch).values) {
		return true
	}
	r.patched.Delete(key)
	return false
}

// isEcho tells whether nothing has changed but annotations, to these values.
func isEcho(e event.UpdateEvent, values map[string]*string) bool {
	before := e.ObjectOld.(*corev1.Pod).DeepCopy()
	for key, value := range values {
		if delete(before.Annotations, key); value != nil {
			metav1.SetMetaDataAnnotation(&before.ObjectMeta, key, *value)
		}
	}
	return !podChanged.Update(event.UpdateEvent{ObjectOld: before, ObjectNew: e.ObjectNew})
}

// withoutClaim does what the outcome of a claim asks for.
func (r *Pods) withoutClaim(ctx context.Context, pod *corev1.Pod, s sources, err error) (reconcile.Result, error) {
	key := client.ObjectKeyFromObject(pod)
	var lost *claim.LostError
	switch {
	case errors.Is(err, claim.ErrPending):
		if len(s.list) == 0 { // nothing was claimed: no subnet is realised
			r.warn(pod, s.waiting)
			s.lookout.Wait(r.wake(key))
		}
		return reconcile.Result{}, nil
	case errors.As(err, &lost):
		if asksForAddress(pod) {
			r.warn(pod, []plan.Problem{problemOfLoss(overlay.PodOwner(key.Namespace, key.Name), lost)})
		}
		if !claim.IsOurs(lost.IP) {
			s.lookout.Wait(r.wake(key))
		}
		return r.surrender(ctx, overlay.PodOwner(key.Namespace, key.Name), overlay.PodPortName(pod.Namespace, pod.Name))
	case errors.Is(err, claim.ErrUnfit):
		return r.surrender(ctx, overlay.PodOwner(key.Namespace, key.Name), overlay.PodPortName(pod.Namespace, pod.Name))
	}
	problem, ok := problemOfAddress(overlay.PodOwner(key.Namespace, key.Name), err)
	if !ok {
		return reconcile.Result{}, err
	}
	if pool := pod.Annotations[kubeovnv1.AnnotationIPPool]; pool != "" && problem.Reason == plan.SubnetFull {
		problem.Message = "all addresses of annotation " + kubeovnv1.AnnotationIPPool + " are in use: " + pool + "; add more"
	}
	r.warn(pod, []plan.Problem{problem})
	s.lookout.Wait(r.wake(key))
	return reconcile.Result{}, nil
}

// remove is the way of a pod that is gone or has finished: port first, then the
// claim.
func (r *Pods) remove(ctx context.Context, key client.ObjectKey) (reconcile.Result, error) {
	r.settle(key)
	r.patched.Delete(key)
	if _, err := r.apply(ctx, overlay.PodOwner(key.Namespace, key.Name), logical.State{}); err != nil {
		return reconcile.Result{}, err
	}
	name := overlay.PodPortName(key.Namespace, key.Name)
	kept, err := r.kept(ctx, name)
	if kept || err != nil {
		return reconcile.Result{}, err
	}
	_, err = r.Claims.Drop(ctx, name)
	return reconcile.Result{}, err
}

// settle ends the waiting of a pod. If it was woken by an address that it does
// not need, the next one in the room gets the call.
func (r *Pods) settle(key client.ObjectKey) {
	for _, topic := range r.room.Leave(key.String()) {
		if strings.HasPrefix(topic, topicSpace("")) {
			r.room.ChangeFor(topic, 1)
		}
	}
}

func (r *Pods) wake(key client.ObjectKey) func() {
	return func() { r.boxes.pods.Add(reconcile.Request{NamespacedName: key}) }
}

func finished(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// asksForAddress tells whether the pod named the address that it got.
func asksForAddress(pod *corev1.Pod) bool {
	return pod.Annotations[kubeovnv1.AnnotationIPAddress] != "" || pod.Annotations[kubeovnv1.AnnotationIPPool] != ""
}

// changed returns what of want is not in have. An empty value means that the
// key should not be there.
func changed(have, want map[string]string) map[string]*string {
	missing := map[string]*string{}
	for key, value := range want {
		if have[key] == value {
			continue
		}
		missing[key] = nil
		if value != "" {
			missing[key] = &value
		}
	}
	return missing
}

// patchAnnotations sets annotations, or removes those whose value is nil, on
// exactly this object: one of the same name with another UID is left alone.
func patchAnnotations(ctx context.Context, api client.Writer, obj client.Object, values map[string]*string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": obj.GetUID(), "annotations": values}})
	if err != nil {
		return fmt.Errorf("annotating %s: %w", obj.GetName(), err)
	}
	target := &metav1.PartialObjectMetadata{}
	target.SetGroupVersionKind(kindOf(obj))
	target.SetNamespace(obj.GetNamespace())
	target.SetName(obj.GetName())
	if err := api.Patch(ctx, target, client.RawPatch(types.MergePatchType, patch)); err != nil {
		return fmt.Errorf("annotating %s %s: %w", target.Kind, client.ObjectKeyFromObject(obj), err)
	}
	return nil
}
