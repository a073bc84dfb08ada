package uplink

import (
	"context"
	"maps"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"

	"hawser/internal/host"
)

// pause is how long a network that has said no, or nothing, is left in peace: it
// is asked again when the host is looked at next, and not by a clock.
const pause = time.Minute

// question is what is asked of the network behind one NIC.
type question struct {
	up     host.Uplink
	asked  time.Time // zero while it waits
	answer host.Probe
}

// asked is who is asked about: a NIC of a provider network.
type asked struct{ provider, nic string }

// questions are asked beside the reconciler, because an answer may take seconds:
// of each NIC once it has joined, and each time its carrier comes back.
type questions struct {
	mu   sync.Mutex
	of   map[asked]*question
	wake chan struct{} // a question waits
	told chan struct{} // there is an answer: look again
}

// open readies the questions; a reconciler that is not started asks nothing.
func (q *questions) open() {
	q.wake, q.told = make(chan struct{}, 1), make(chan struct{}, 1)
}

// about gives what is known of the network behind an uplink, and has it asked
// where that is due.
func (q *questions) about(up host.Uplink, carrier bool, now time.Time) host.Probe {
	q.mu.Lock()
	defer q.mu.Unlock()
	of := asked{up.Provider, up.NIC}
	if !carrier {
		delete(q.of, of)
		return host.Probe{}
	}
	have, found := q.of[of]
	switch {
	case !found || have.up.Index != up.Index:
		have = &question{up: up}
		if q.of == nil {
			q.of = map[asked]*question{}
		}
		q.of[of] = have
	case have.asked.IsZero() || have.answer.Foreign || now.Sub(have.asked) < pause:
		return have.answer
	}
	have.asked = time.Time{}
	signal(q.wake)
	return have.answer
}

func (q *questions) forget(provider string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	maps.DeleteFunc(q.of, func(of asked, _ *question) bool { return of.provider == provider })
}

// run asks what waits until the context ends.
func (q *questions) run(ctx context.Context, prober Prober, now func() time.Time) {
	for {
		for next := q.next(); next != nil; next = q.next() {
			answer, err := prober.Probe(ctx, next.up)
			if err != nil && ctx.Err() == nil {
				log.FromContext(ctx).Error(err, "cannot ask whether the network lets pods through", "provider", next.up.Provider, "interface", next.up.NIC)
			}
			q.book(next, answer, now())
		}
		select {
		case <-ctx.Done():
			return
		case <-q.wake:
		}
	}
}

// next is any question that waits; nil if none does.
func (q *questions) next() *question {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, waiting := range q.of {
		if waiting.asked.IsZero() {
			return waiting
		}
	}
	return nil
}

// book notes an answer. One that nobody waits for any more does no harm.
func (q *questions) book(to *question, answer host.Probe, now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	to.answer, to.asked = answer, now
	if answer.Own {
		signal(q.told)
	}
}

// signal never blocks: a second signal before the first is taken adds nothing.
func signal(to chan<- struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}
