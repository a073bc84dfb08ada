package room

import (
	"context"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Inbox is a source of reconcile requests by which one part of the controller
// wakes another. What arrives before the queue exists is kept for it.
type Inbox struct {
	After time.Duration // what is added becomes due that much later, once

	mu    sync.Mutex
	queue workqueue.TypedRateLimitingInterface[reconcile.Request]
	early []reconcile.Request
}

// Start is called by the controller that the inbox belongs to. What came before
// is of no hurry: it is the work of a start.
func (i *Inbox) Start(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.queue = queue
	i.later(i.early...)
	i.early = nil
	return nil
}

// Add never blocks.
func (i *Inbox) Add(request reconcile.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.queue == nil {
		i.early = append(i.early, request)
		return
	}
	i.queue.AddAfter(request, i.After)
}

// AddLater is for what must not hold up anything that has just happened, such
// as a look at every object there is.
func (i *Inbox) AddLater(request reconcile.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.queue == nil {
		i.early = append(i.early, request)
		return
	}
	i.later(request)
}

func (i *Inbox) later(requests ...reconcile.Request) {
	if ranked, ok := i.queue.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		low := handler.LowPriority
		ranked.AddWithOpts(priorityqueue.AddOpts{After: i.After, Priority: &low}, requests...)
		return
	}
	for _, request := range requests {
		i.queue.AddAfter(request, i.After)
	}
}

// String is how logs call the source.
func (i *Inbox) String() string { return "inbox" }
