package apitest

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// TestStart: the API answers, and namespaces are there.
func TestStart(t *testing.T) {
	server, err := Start(t.Context(), Find(t), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	namespaces, err := kubernetes.NewForConfigOrDie(server.Config).CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{})
	if err != nil || len(namespaces.Items) == 0 {
		t.Fatalf("%d namespaces, %v", len(namespaces.Items), err)
	}
}
