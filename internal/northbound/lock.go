package northbound

import (
	"context"
	"sync"

	"hawser/internal/logical"
)

// locks let one Apply at a time be at work for an owner: what it plans holds
// only as long as the owner's rows stay as they are.
type locks struct {
	mu   sync.Mutex
	held map[logical.Owner]chan struct{} // closed on release
}

func (l *locks) lock(ctx context.Context, o logical.Owner) error {
	for {
		released := l.take(o)
		if released == nil {
			return nil
		}
		select {
		case <-released:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take locks, or gives what to wait for.
func (l *locks) take(o logical.Owner) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if released, busy := l.held[o]; busy {
		return released
	}
	if l.held == nil {
		l.held = map[logical.Owner]chan struct{}{}
	}
	l.held[o] = make(chan struct{})
	return nil
}

func (l *locks) unlock(o logical.Owner) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.held[o])
	delete(l.held, o)
}
