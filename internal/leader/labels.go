package leader

import (
	"context"
	"maps"
	"sync"
)

// Labels keeps the labels of a pod as the watchers report them. Only what
// changed is written, and what could not be written is tried again.
type Labels struct {
	write   func(context.Context, map[string]bool) error
	failed  func(error)
	changed chan struct{} // capacity 1: several changes are one

	mu   sync.Mutex
	want map[string]bool
}

// NewLabels takes the function that writes labels (true sets one, false removes
// it) and one that is told of its failures.
func NewLabels(write func(context.Context, map[string]bool) error, failed func(error)) *Labels {
	return &Labels{write: write, failed: failed, changed: make(chan struct{}, 1), want: map[string]bool{}}
}

// Report returns the function by which a watcher reports for one label.
func (l *Labels) Report(label string) func(bool) {
	return func(on bool) {
		l.mu.Lock()
		l.want[label] = on
		l.mu.Unlock()
		select {
		case l.changed <- struct{}{}:
		default: // a change that was not looked at yet covers this one
		}
	}
}

// Run writes labels until ctx ends. What the pod had before is not known, so
// that the first report of each label is always written.
func (l *Labels) Run(ctx context.Context) {
	written := map[string]bool{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.changed:
		}
		for !l.bringUp(ctx, written) && ctx.Err() == nil {
			pause(ctx, retryAfter)
		}
	}
}

// bringUp writes what differs from written and tells whether all is written.
func (l *Labels) bringUp(ctx context.Context, written map[string]bool) bool {
	differing := l.differing(written)
	if len(differing) == 0 {
		return true
	}
	if err := l.write(ctx, differing); err != nil {
		l.failed(err)
		return false
	}
	maps.Copy(written, differing)
	return true
}

func (l *Labels) differing(written map[string]bool) map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	differing := map[string]bool{}
	for label, on := range l.want {
		if was, known := written[label]; !known || was != on {
			differing[label] = on
		}
	}
	return differing
}
