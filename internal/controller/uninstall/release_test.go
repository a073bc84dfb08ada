package uninstall

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	kubeovnv1 "hawser/api/v1"
)

// sharedNetwork is one that two nodes are in, one of them reachable, and one that
// waits for its turn.
func sharedNetwork(t *testing.T, phase kubeovnv1.NodePhase) client.WithWatch {
	t.Helper()
	scheme := runtime.NewScheme()
	_ = clientgoscheme.AddToScheme(scheme)
	_ = kubeovnv1.AddToScheme(scheme)
	ours := []string{kubeovnv1.Finalizer}
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "n1", Labels: map[string]string{"net1.provider-network.kubernetes.io/ready": "true", "rack": "a"}},
		Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}},
	}
	other := node.DeepCopy()
	other.Name = "n3"
	part := func(node, approved string) *kubeovnv1.ProviderNetworkNode {
		return &kubeovnv1.ProviderNetworkNode{
			ObjectMeta: metav1.ObjectMeta{Name: "net1." + node, Finalizers: ours},
			Spec:       kubeovnv1.ProviderNetworkNodeSpec{ProviderNetwork: "net1", Node: node, Interfaces: []string{"eth1"}, ApprovedPlan: approved},
			Status:     kubeovnv1.ProviderNetworkNodeStatus{Phase: phase},
		}
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		node, other, part("n1", "h1"), part("n2", "h1"), part("n3", ""),
		&kubeovnv1.ProviderNetwork{ObjectMeta: metav1.ObjectMeta{Name: "net1", Finalizers: ours}},
		&kubeovnv1.Vlan{ObjectMeta: metav1.ObjectMeta{Name: "v7", Finalizers: ours}},
	).Build()
}

func TestReleaseWaitsForWhoHoldsANIC(t *testing.T) {
	api := sharedNetwork(t, kubeovnv1.PhaseReady)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	events, err := api.Watch(ctx, &kubeovnv1.ProviderNetworkNodeList{})
	if err != nil {
		t.Fatal(err)
	}
	go func() { // the agent of n1
		defer events.Stop()
		for event := range events.ResultChan() {
			part := event.Object.(*kubeovnv1.ProviderNetworkNode)
			if part.Name == "net1.n1" && part.DeletionTimestamp != nil && part.Status.Phase != kubeovnv1.PhaseReleased {
				part.Status.Phase = kubeovnv1.PhaseReleased
				_ = api.Update(ctx, part)
			}
		}
	}()
	if err := Release(ctx, api); err != nil {
		t.Fatal(err)
	}
	for _, obj := range []client.Object{&kubeovnv1.ProviderNetwork{}, &kubeovnv1.ProviderNetworkNode{}} {
		for _, name := range []string{"net1", "net1.n1", "net1.n2", "net1.n3"} {
			if err := api.Get(ctx, client.ObjectKey{Name: name}, obj); !apierrors.IsNotFound(err) {
				t.Errorf("%T %s is still there: %v", obj, name, err)
			}
		}
	}
	var node corev1.Node
	if err := api.Get(ctx, client.ObjectKey{Name: "n1"}, &node); err != nil || len(node.Labels) != 1 {
		t.Errorf("labels %v, %v", node.Labels, err)
	}
	var vlan kubeovnv1.Vlan
	if err := api.Get(ctx, client.ObjectKey{Name: "v7"}, &vlan); err != nil || len(vlan.Finalizers) != 0 {
		t.Errorf("the user's vlan: %v, %v", vlan.Finalizers, err)
	}
}

func TestReleaseDoesNotWaitForever(t *testing.T) {
	api := sharedNetwork(t, kubeovnv1.PhaseReady)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := Release(ctx, api); err == nil || !strings.Contains(err.Error(), "[n1]") {
		t.Errorf("error %v", err)
	}
	if err := api.Get(t.Context(), client.ObjectKey{Name: "net1"}, &kubeovnv1.ProviderNetwork{}); !apierrors.IsNotFound(err) {
		t.Errorf("the network: %v", err)
	}
}
