package cni

import (
	"context"
	"fmt"
	"sync"
)

// turns lets one call at a time work on an owner. The zero value is ready.
type turns struct {
	mu    sync.Mutex
	taken map[string]chan struct{} // closed when the turn is over
}

// take waits for the turn; done passes it on.
func (t *turns) take(ctx context.Context, owner string) (done func(), err error) {
	for {
		over, free := t.try(owner)
		if free {
			return func() { t.give(owner, over) }, nil
		}
		select {
		case <-over:
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for another call for %s to end: %w", owner, ctx.Err())
		}
	}
}

func (t *turns) try(owner string) (over chan struct{}, free bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if over, taken := t.taken[owner]; taken {
		return over, false
	}
	if t.taken == nil {
		t.taken = map[string]chan struct{}{}
	}
	over = make(chan struct{})
	t.taken[owner] = over
	return over, true
}

func (t *turns) give(owner string, over chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.taken, owner)
	close(over)
}
