package uninstall

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	kubeovnv1 "hawser/api/v1"
)

func nodeWithAgent(name string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{kubeovnv1.AnnotationChassis: "c-" + name}}}
}

// answer is an agent: it takes off its chassis once it is told to leave.
func answer(ctx context.Context, t *testing.T, api client.WithWatch, name string) {
	events, err := api.Watch(ctx, &corev1.NodeList{})
	if err != nil {
		t.Error(err)
		return
	}
	go func() {
		defer events.Stop()
		for event := range events.ResultChan() {
			node := event.Object.(*corev1.Node)
			if node.Name == name && node.Annotations[kubeovnv1.AnnotationLeaving] == "true" {
				_ = api.Patch(ctx, node, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"annotations":{"`+kubeovnv1.AnnotationChassis+`":null}}}`)))
				return
			}
		}
	}()
}

func TestDismissWaitsForEveryAgent(t *testing.T) {
	api := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).WithObjects(nodeWithAgent("n1"), nodeWithAgent("n2"), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n3"}}).Build()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	answer(ctx, t, api, "n1")
	answer(ctx, t, api, "n2")
	if err := Dismiss(ctx, api); err != nil {
		t.Fatal(err)
	}
	var nodes corev1.NodeList
	if err := api.List(ctx, &nodes); err != nil {
		t.Fatal(err)
	}
	for _, node := range nodes.Items {
		if len(node.Annotations) != 0 {
			t.Errorf("%s keeps %v", node.Name, node.Annotations)
		}
	}
}

func TestDismissDoesNotWaitForever(t *testing.T) {
	api := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).WithObjects(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}}, nodeWithAgent("down")).Build()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := Dismiss(ctx, api); err == nil || !strings.Contains(err.Error(), "[down]") {
		t.Errorf("error %v", err)
	}
	var node corev1.Node
	if err := api.Get(t.Context(), client.ObjectKey{Name: "down"}, &node); err != nil || node.Annotations[kubeovnv1.AnnotationLeaving] != "" {
		t.Errorf("the mark stays: %v, %v", node.Annotations, err)
	}
}
