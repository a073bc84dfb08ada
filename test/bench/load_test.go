package bench

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

var (
	subnetResource = schema.GroupVersionResource{Group: "kubeovn.io", Version: "v1", Resource: "subnets"}
	ipResource     = schema.GroupVersionResource{Group: "kubeovn.io", Version: "v1", Resource: "ips"}
)

// size is how large a simulated cluster is.
type size struct{ nodes, subnets, pods int }

func (s size) String() string { return fmt.Sprintf("%d × %d × %d", s.nodes, s.subnets, s.pods) }

// concurrency is that of the load generator; the API server, on two cores, is
// saturated long before.
const concurrency = 100

// each runs f for 0 … count-1, many at a time, and returns the first error.
func each(count int, f func(i int) error) error {
	var next atomic.Int64
	var first error
	var once sync.Once
	var workers sync.WaitGroup
	for range min(concurrency, count) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < count; i = int(next.Add(1)) - 1 {
				if err := f(i); err != nil {
					once.Do(func() { first = err })
				}
			}
		})
	}
	workers.Wait()
	return first
}

func nodeName(i int) string   { return fmt.Sprintf("node-%03d", i) }
func subnetName(i int) string { return fmt.Sprintf("bench-%02d", i) }
func podName(prefix string, i int) string {
	return fmt.Sprintf("%s-%05d", prefix, i)
}

// makeNodes creates nodes that look ready to the control plane.
func (l *lab) makeNodes(ctx context.Context, count int) error {
	return each(count, func(i int) error {
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName(i), Labels: map[string]string{"kubernetes.io/hostname": nodeName(i)}}}
		made, err := l.client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		made.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: fmt.Sprintf("172.29.%d.%d", i/250, i%250+1)}}
		made.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
		_, err = l.client.CoreV1().Nodes().UpdateStatus(ctx, made, metav1.UpdateOptions{})
		return err
	})
}

// makeSubnets creates namespaces with a /16 Subnet each.
func (l *lab) makeSubnets(ctx context.Context, count int) error {
	return each(count, func(i int) error {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: subnetName(i)}}
		if _, err := l.client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
			return err
		}
		subnet := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "kubeovn.io/v1", "kind": "Subnet", "metadata": map[string]any{"name": subnetName(i)},
			"spec": map[string]any{"cidrBlock": fmt.Sprintf("10.%d.0.0/16", 100+i), "namespaces": []any{subnetName(i)}, "natOutgoing": true},
		}}
		_, err := l.dynamic.Resource(subnetResource).Create(ctx, subnet, metav1.CreateOptions{})
		return err
	})
}

func benchPod(prefix string, i int, s size) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: podName(prefix, i), Namespace: subnetName(i % s.subnets)},
		Spec: corev1.PodSpec{NodeName: nodeName(i % s.nodes), TerminationGracePeriodSeconds: new(int64),
			Containers: []corev1.Container{{Name: "c", Image: "registry.k8s.io/pause:3.10.2"}}},
	}
}

func (l *lab) makePods(ctx context.Context, prefix string, s size) error {
	return each(s.pods, func(i int) error {
		pod := benchPod(prefix, i, s)
		_, err := l.client.CoreV1().Pods(pod.Namespace).Create(ctx, pod, metav1.CreateOptions{})
		return err
	})
}

func (l *lab) deletePods(ctx context.Context, prefix string, s size) error {
	return each(s.pods, func(i int) error {
		pod := benchPod(prefix, i, s)
		return l.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64)})
	})
}

// bareClient makes the API writes that a pod costs, create, claim, annotate,
// and nothing else: it is what the machine's API server allows at best.
func (l *lab) bareClient(ctx context.Context, prefix string, s size) error {
	return each(s.pods, func(i int) error {
		pod := benchPod(prefix, i, s)
		made, err := l.client.CoreV1().Pods(pod.Namespace).Create(ctx, pod, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		address, mac := fmt.Sprintf("10.99.%d.%d", i/250, i%250+1), fmt.Sprintf("0a:00:00:00:%02x:%02x", i/256, i%256)
		claim := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "kubeovn.io/v1", "kind": "IP", "metadata": map[string]any{
				"name":        pod.Name + "." + pod.Namespace,
				"labels":      map[string]any{"ovn.kubernetes.io/subnet": pod.Namespace, pod.Namespace: "", "ovn.kubernetes.io/node-name": pod.Spec.NodeName},
				"annotations": map[string]any{"kubeovn.io/holder": "Pod/" + pod.Namespace + "/" + pod.Name, "kubeovn.io/holder-uid": string(made.UID)},
			},
			"spec": map[string]any{"podName": pod.Name, "namespace": pod.Namespace, "subnet": pod.Namespace, "nodeName": pod.Spec.NodeName,
				"ipAddress": address, "v4IpAddress": address, "macAddress": mac, "v6IpAddress": "", "attachIps": []any{}, "attachMacs": []any{}, "attachSubnets": []any{}, "containerID": "", "podType": ""},
		}}
		if _, err := l.dynamic.Resource(ipResource).Create(ctx, claim, metav1.CreateOptions{}); err != nil {
			return err
		}
		patch := fmt.Sprintf(`{"metadata":{"annotations":{"ovn.kubernetes.io/allocated":"true","ovn.kubernetes.io/routed":"true","ovn.kubernetes.io/ip_address":%q,"ovn.kubernetes.io/mac_address":%q,"ovn.kubernetes.io/cidr":"10.99.0.0/16","ovn.kubernetes.io/gateway":"10.99.0.1","ovn.kubernetes.io/logical_switch":%q,"ovn.kubernetes.io/logical_router":"ovn-cluster","ovn.kubernetes.io/pod_nic_type":"veth-pair"}}}`, address, mac, pod.Namespace)
		_, err = l.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
		return err
	})
}

// deleteClaims removes what bareClient claimed.
func (l *lab) deleteClaims(ctx context.Context, prefix string, s size) error {
	return each(s.pods, func(i int) error {
		pod := benchPod(prefix, i, s)
		return l.dynamic.Resource(ipResource).Delete(ctx, pod.Name+"."+pod.Namespace, metav1.DeleteOptions{})
	})
}

// allocations watches pods and counts those with an address by the prefix of
// their names, once for the whole life of a lab.
type allocations struct {
	mu      sync.Mutex
	seen    map[string]bool // by namespace/name
	count   map[string]int  // by prefix
	changed chan struct{}   // closed and replaced with each change
}

func (l *lab) watchAllocations(ctx context.Context) *allocations {
	a := &allocations{seen: map[string]bool{}, count: map[string]int{}, changed: make(chan struct{})}
	factory := informers.NewSharedInformerFactory(l.client, 0)
	_, err := factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: a.see, UpdateFunc: func(_, o any) { a.see(o) }})
	l.must(err)
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	return a
}

func (a *allocations) see(o any) {
	pod, ok := o.(*corev1.Pod)
	if !ok || pod.Annotations["ovn.kubernetes.io/allocated"] != "true" {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	key := pod.Namespace + "/" + pod.Name
	if a.seen[key] {
		return
	}
	a.seen[key] = true
	a.count[pod.Name[:strings.LastIndexByte(pod.Name, '-')]]++
	close(a.changed)
	a.changed = make(chan struct{})
}

// wait blocks until count pods of a prefix have an address.
func (a *allocations) wait(prefix string, count int, limit time.Duration) error {
	deadline := time.After(limit)
	for {
		a.mu.Lock()
		have, changed := a.count[prefix], a.changed
		a.mu.Unlock()
		if have >= count {
			return nil
		}
		select {
		case <-changed:
		case <-deadline:
			return fmt.Errorf("only %d of %d pods %s-… have an address after %v", have, count, prefix, limit)
		}
	}
}
