package main

import (
	"errors"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"hawser/internal/controller"
	"hawser/internal/controller/options"
)

// TestBeginsWithoutAPIServer: nothing that a controller does before it waits for
// its caches needs the API server. If it ended, kubelet would start it again
// later each time.
func TestBeginsWithoutAPIServer(t *testing.T) {
	o := options.Options{LeaseDuration: 30 * time.Second, RenewDeadline: 20 * time.Second, RetryPeriod: 6 * time.Second}
	mgr, err := newManager(&rest.Config{Host: "https://127.0.0.1:1"}, o, &controller.Health{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(controller.AddIndexes(t.Context(), mgr.GetFieldIndexer()), controller.Warm(t.Context(), mgr.GetCache())); err != nil {
		t.Error(err)
	}
}
