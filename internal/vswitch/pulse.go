package vswitch

import "sync"

// pulse tells that the cache changed.
type pulse struct {
	mu        sync.Mutex
	coming    chan struct{} // closed and replaced at every beat
	listeners []chan struct{}
}

func newPulse() *pulse { return &pulse{coming: make(chan struct{})} }

// beat wakes all who wait for a change. After a reconnection it comes at least
// once, since every row is then read anew.
func (p *pulse) beat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.coming)
	p.coming = make(chan struct{})
	for _, hint := range p.listeners {
		select {
		case hint <- struct{}{}:
		default:
		}
	}
}

// next is closed by the next beat; who takes it before looking misses nothing.
func (p *pulse) next() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.coming
}

// listen gives a channel that keeps one hint until it is taken.
func (p *pulse) listen() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	hint := make(chan struct{}, 1)
	p.listeners = append(p.listeners, hint)
	return hint
}
