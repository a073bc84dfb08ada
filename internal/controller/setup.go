package controller

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	kubeovnv1 "hawser/api/v1"
)

// podWorkers is how many pods are worked on at once. They spend their time
// waiting for the API server and the database, and the more of them wait, the
// more share one transaction.
const podWorkers = 100

// AddControllers adds the reconcilers: those whose rows others refer to
// first, so that a cold start waits for parents as little as possible.
func (f *Fabric) AddControllers(mgr manager.Manager) error {
	w := wiring{f}
	for _, add := range []func(manager.Manager) error{
		w.addVpcs, w.addSubnets, w.addNodes, w.addPods, w.addIPs, w.addUsage, w.addNamespaces,
	} {
		if err := add(mgr); err != nil {
			return fmt.Errorf("adding a reconciler: %w", err)
		}
	}
	return nil
}

// wiring says for each kind what wakes its reconciler.
type wiring struct{ *Fabric }

func (f wiring) addVpcs(mgr manager.Manager) error {
	return builder.ControllerManagedBy(mgr).Named("vpc").
		For(&kubeovnv1.Vpc{}, builder.WithPredicates(specChanged)).
		Watches(&kubeovnv1.Subnet{}, handler.EnqueueRequestsFromMapFunc(mapping{f.Fabric}.vpcOfSubnet), builder.WithPredicates(specChanged)).
		WatchesRawSource(f.boxes.vpcs).
		Complete(&Vpcs{f.Fabric})
}

func (f wiring) addSubnets(mgr manager.Manager) error {
	return builder.ControllerManagedBy(mgr).Named("subnet").
		WithOptions(controller.Options{MaxConcurrentReconciles: 8}).
		For(&kubeovnv1.Subnet{}, builder.WithPredicates(specChanged)).
		Watches(&kubeovnv1.Subnet{}, handler.EnqueueRequestsFromMapFunc(mapping{f.Fabric}.neighboursOf), builder.WithPredicates(specChanged)).
		Watches(&kubeovnv1.Vpc{}, handler.EnqueueRequestsFromMapFunc(mapping{f.Fabric}.subnetsOfVpc), builder.WithPredicates(existenceChanged)).
		Watches(&kubeovnv1.Vlan{}, handler.EnqueueRequestsFromMapFunc(mapping{f.Fabric}.underlaySubnets)).
		Watches(&kubeovnv1.ProviderNetwork{}, handler.EnqueueRequestsFromMapFunc(mapping{f.Fabric}.underlaySubnets), builder.WithPredicates(existenceChanged)).
		Watches(&corev1.Node{}, handler.EnqueueRequestsFromMapFunc(mapping{f.Fabric}.underlaySubnets), builder.WithPredicates(nodeChanged)).
		WatchesRawSource(f.boxes.subnets).
		Complete(&Subnets{f.Fabric})
}

func (f wiring) addNodes(mgr manager.Manager) error {
	return builder.ControllerManagedBy(mgr).Named("node").
		WithOptions(controller.Options{MaxConcurrentReconciles: 32}).
		For(&corev1.Node{}, builder.WithPredicates(nodeChanged)).
		WatchesRawSource(f.boxes.nodes).
		Complete(&Nodes{f.Fabric})
}

func (f wiring) addPods(mgr manager.Manager) error {
	pods := &Pods{Fabric: f.Fabric}
	return builder.ControllerManagedBy(mgr).Named("pod").
		WithOptions(controller.Options{MaxConcurrentReconciles: podWorkers}).
		For(&corev1.Pod{}, builder.WithPredicates(predicate.Funcs{UpdateFunc: pods.matters})).
		Watches(&appsv1.StatefulSet{}, handler.EnqueueRequestsFromMapFunc(mapping{f.Fabric}.podsOfStatefulSet), builder.WithPredicates(statefulSetChanged)).
		WatchesRawSource(f.boxes.pods).
		Complete(pods)
}

func (f wiring) addIPs(mgr manager.Manager) error {
	return builder.ControllerManagedBy(mgr).Named("ip").
		WatchesRawSource(f.boxes.ips).
		Complete(&IPs{f.Fabric})
}

func (f wiring) addUsage(mgr manager.Manager) error {
	return builder.ControllerManagedBy(mgr).Named("usage").
		WatchesRawSource(f.boxes.usage).
		Complete(newUsage(f.Fabric))
}

func (f wiring) addNamespaces(mgr manager.Manager) error {
	return builder.ControllerManagedBy(mgr).Named("namespace").
		For(&corev1.Namespace{}, builder.WithPredicates(namespaceChanged)).
		Watches(&kubeovnv1.Subnet{}, handler.EnqueueRequestsFromMapFunc(mapping{f.Fabric}.namespacesOfSubnet), builder.WithPredicates(bindingChanged)).
		Complete(&Namespaces{f.Fabric})
}
