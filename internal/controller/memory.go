package controller

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/controller/judgement"
	"hawser/internal/logical"
	"hawser/internal/plan/overlay"
)

// Remember rebuilds what is only in memory, before the first address is handed
// out: the networks that are realised, and from the IP objects who holds which
// address of them.
func (f *Fabric) Remember(ctx context.Context) error {
	subnets, err := f.subnets(ctx)
	if err != nil {
		return err
	}
	for _, subnet := range subnets {
		network, problems, err := f.network(ctx, f.Cluster, subnet)
		if err != nil {
			return err
		}
		if len(problems) == 0 && judgement.Holds(subnet.Status.Conditions, kubeovnv1.ConditionReady, subnet.Generation) {
			f.learn(network)
		}
	}
	f.Listen()
	return errors.Join(f.rememberPods(ctx), f.rememberNodes(ctx))
}

// rememberPods reserves the addresses of pods that run although somebody has
// deleted their IP objects: their claims are made again, and nobody gets in
// between.
func (f *Fabric) rememberPods(ctx context.Context) error {
	var pods corev1.PodList
	if err := f.Cache.List(ctx, &pods, shared); err != nil {
		return fmt.Errorf("listing pods: %w", err)
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		if pod.Spec.NodeName != "" && !pod.Spec.HostNetwork && !finished(pod) {
			f.rememberAnnotated(pod, overlay.PodPortName(pod.Namespace, pod.Name))
		}
	}
	return nil
}

func (f *Fabric) rememberNodes(ctx context.Context) error {
	var nodes corev1.NodeList
	if err := f.Cache.List(ctx, &nodes, shared); err != nil {
		return fmt.Errorf("listing nodes: %w", err)
	}
	for i := range nodes.Items {
		f.rememberAnnotated(&nodes.Items[i], overlay.NodePortName(nodes.Items[i].Name))
	}
	return nil
}

// rememberAnnotated reserves what an object says that it was given, unless its
// IP object says so already.
func (f *Fabric) rememberAnnotated(obj client.Object, name string) {
	given := obj.GetAnnotations()
	if _, ok := f.Claims.Book.Get(name); ok || given[kubeovnv1.AnnotationAllocated] != "true" {
		return
	}
	ip := &kubeovnv1.IP{Spec: kubeovnv1.IPSpec{
		Subnet:     given[kubeovnv1.AnnotationLogicalSwitch],
		IPAddress:  given[kubeovnv1.AnnotationIPAddress],
		MacAddress: given[kubeovnv1.AnnotationMACAddress],
	}}
	ip.Name = name
	_ = f.Claims.Restore(ip) // refused where an IP object has the address: that one is right
}

// Sweep asks for every owner that has rows to be looked at. One that Kubernetes
// no longer has takes the way of a deletion.
func (f *Fabric) Sweep() {
	for _, owner := range f.Network.Owners() {
		f.boxes.wakeOwner(owner)
	}
}

// Resync asks for every owner that has rows, and every object that should have
// some, to be looked at: the database has been away, and may come back without
// what was written last, or empty.
func (f *Fabric) Resync(ctx context.Context) error {
	f.Sweep()
	for kind, list := range map[string]client.ObjectList{
		"Vpc": &kubeovnv1.VpcList{}, "Subnet": &kubeovnv1.SubnetList{}, "Node": &corev1.NodeList{}, "Pod": &corev1.PodList{},
	} {
		if err := f.Cache.List(ctx, list, shared); err != nil {
			return fmt.Errorf("listing what to write again: %w", err)
		}
		_ = meta.EachListItem(list, func(item runtime.Object) error {
			object := item.(client.Object)
			f.boxes.wakeOwner(logical.Owner{Kind: kind, Namespace: object.GetNamespace(), Name: object.GetName()})
			return nil
		})
	}
	return nil
}

// wakeOwner has the object looked at that rows belong to, behind what is new.
func (b boxes) wakeOwner(owner logical.Owner) {
	request := reconcile.Request{NamespacedName: client.ObjectKey{Namespace: owner.Namespace, Name: owner.Name}}
	switch owner.Kind {
	case "Pod":
		b.pods.AddLater(request)
	case "Node":
		b.nodes.AddLater(request)
	case "Subnet":
		b.subnets.AddLater(request)
	case "Vpc":
		b.vpcs.AddLater(request)
	}
}
