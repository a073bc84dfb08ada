package hint

import (
	"context"
	"testing"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

func TestABurstOfHintsIsOneLook(t *testing.T) {
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	defer queue.ShutDown()
	request := func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: client.ObjectKey{Name: "n1"}}}
	}
	hints, ended := make(chan struct{}), make(chan struct{})
	close(ended)
	if err := Source([]<-chan struct{}{hints, ended}, request).Start(t.Context(), queue); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		hints <- struct{}{}
	}
	got, _ := queue.Get()
	if got.Name != "n1" {
		t.Errorf("request %v", got)
	}
	queue.Done(got)
	time.Sleep(2 * calm)
	if queue.Len() != 0 {
		t.Errorf("%d more requests", queue.Len())
	}
}
