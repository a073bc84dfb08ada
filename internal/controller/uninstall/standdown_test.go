package uninstall

import (
	"context"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

func TestStandDownWaitsForTheControllersToEnd(t *testing.T) {
	labels := map[string]string{"app": deploymentName}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "a", Labels: labels}}
	other := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "b"}}
	deployment := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: deploymentName},
		Spec:       appsv1.DeploymentSpec{Replicas: ptr.To[int32](3)},
	}
	api := fake.NewClientBuilder().WithObjects(pod, other, deployment).Build()
	done := make(chan error, 1)
	go func() { done <- StandDown(t.Context(), api, "kube-system") }()
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	if err := api.Delete(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := api.Get(t.Context(), client.ObjectKeyFromObject(deployment), deployment); err != nil || *deployment.Spec.Replicas != 0 {
		t.Errorf("the deployment has %d replicas, %v", *deployment.Spec.Replicas, err)
	}
}

func TestStandDownSaysWhatItWaitedFor(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "a", Labels: map[string]string{"app": deploymentName}}}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	// There is no deployment any more, which is no reason to fail by itself.
	err := StandDown(ctx, fake.NewClientBuilder().WithObjects(pod).Build(), "kube-system")
	if err == nil {
		t.Error("no error although a pod is still there")
	}
}
