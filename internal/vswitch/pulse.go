package vswitch

import (
	"sync"

	"github.com/ovn-kubernetes/libovsdb/model"
)

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

// pulses hears of every change of the cache. What is but a state beats apart, for
// ovs-vswitchd writes it for each pod's port too.
type pulses struct{ content, states *pulse }

func (p *pulses) beat() {
	p.content.beat()
	p.states.beat()
}

// OnAdd is part of cache.EventHandler, as the two that follow.
func (p *pulses) OnAdd(string, model.Model) { p.beat() }

// OnUpdate leaves those alone who need not look again.
func (p *pulses) OnUpdate(_ string, before, after model.Model) {
	if sameButState(before, after) {
		p.states.beat()
		return
	}
	p.beat()
}

// OnDelete is as OnAdd.
func (p *pulses) OnDelete(string, model.Model) { p.beat() }
