package controller

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	kubeovnv1 "hawser/api/v1"
)

// podWorkers is how many pods are worked on at once. They spend their time
// waiting for the API server and the database, and the more of them wait, the
// more share one transaction.
const podWorkers = 100

// AddControllers starts the reconcilers: those whose rows others refer to
// first, so that a cold start waits for parents as little as possible.
func (f *Fabric) AddControllers(mgr manager.Manager) error {
	for _, add := range []func(manager.Manager) error{
		f.addVpcs, f.addSubnets, f.addNodes, f.addPods, f.addIPs, f.addUsage, f.addNamespaces,
	} {
		if err := add(mgr); err != nil {
			return fmt.Errorf("starting a reconciler: %w", err)
		}
	}
	return nil
}

func (f *Fabric) addVpcs(mgr manager.Manager) error {
	return builder.ControllerManagedBy(mgr).Named("vpc").
		For(&kubeovnv1.Vpc{}, builder.WithPredicates(specChanged)).
		Watches(&kubeovnv1.Subnet{}, handler.EnqueueRequestsFromMapFunc(f.vpcOfSubnet), builder.WithPredicates(specChanged)).
		WatchesRawSource(f.boxes.vpcs).
		Complete(&Vpcs{f})
}

func (f *Fabric) addSubnets(mgr manager.Manager) error {
	return builder.ControllerManagedBy(mgr).Named("subnet").
		WithOptions(controller.Options{MaxConcurrentReconciles: 8}).
		For(&kubeovnv1.Subnet{}, builder.WithPredicates(specChanged)).
		Watches(&kubeovnv1.Subnet{}, handler.EnqueueRequestsFromMapFunc(f.neighboursOf), builder.WithPredicates(specChanged)).
		Watches(&kubeovnv1.Vpc{}, handler.EnqueueRequestsFromMapFunc(f.subnetsOfVpc), builder.WithPredicates(existenceChanged)).
		WatchesRawSource(f.boxes.subnets).
		Complete(&Subnets{f})
}

func (f *Fabric) addNodes(mgr manager.Manager) error {
	return builder.ControllerManagedBy(mgr).Named("node").
		WithOptions(controller.Options{MaxConcurrentReconciles: 32}).
		For(&corev1.Node{}, builder.WithPredicates(nodeChanged)).
		WatchesRawSource(f.boxes.nodes).
		Complete(&Nodes{f})
}

func (f *Fabric) addPods(mgr manager.Manager) error {
	return builder.ControllerManagedBy(mgr).Named("pod").
		WithOptions(controller.Options{MaxConcurrentReconciles: podWorkers}).
		For(&corev1.Pod{}, builder.WithPredicates(podChanged)).
		Watches(&appsv1.StatefulSet{}, handler.EnqueueRequestsFromMapFunc(f.podsOfStatefulSet), builder.WithPredicates(statefulSetChanged)).
		WatchesRawSource(f.boxes.pods).
		Complete(&Pods{Fabric: f})
}

func (f *Fabric) addIPs(mgr manager.Manager) error {
	return builder.ControllerManagedBy(mgr).Named("ip").
		WatchesRawSource(f.boxes.ips).
		Complete(&IPs{f})
}

func (f *Fabric) addUsage(mgr manager.Manager) error {
	return builder.ControllerManagedBy(mgr).Named("usage").
		WithOptions(controller.Options{MaxConcurrentReconciles: 4}).
		WatchesRawSource(f.boxes.usage).
		Complete(&Usage{f})
}

func (f *Fabric) addNamespaces(mgr manager.Manager) error {
	return builder.ControllerManagedBy(mgr).Named("namespace").
		For(&corev1.Namespace{}, builder.WithPredicates(namespaceChanged)).
		Watches(&kubeovnv1.Subnet{}, handler.EnqueueRequestsFromMapFunc(f.namespacesOfSubnet), builder.WithPredicates(bindingChanged)).
		Complete(&Namespaces{f})
}
