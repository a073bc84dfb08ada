package main

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"hawser/internal/agent"
	"hawser/internal/agent/options"
)

// TestBeginsWithoutAPIServer: a node that boots while the API server is away has
// an agent that waits for it, and answers kubelet's probes meanwhile.
func TestBeginsWithoutAPIServer(t *testing.T) {
	mgr, err := newManager(&rest.Config{Host: "https://127.0.0.1:1"}, options.Options{Node: "n1"}, &agent.State{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mgr.GetCache().GetInformer(t.Context(), &corev1.Pod{}, cache.BlockUntilSynced(false)); err != nil {
		t.Error(err)
	}
}
