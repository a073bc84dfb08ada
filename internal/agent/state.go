package agent

import (
	"errors"
	"sync"
)

// State is what the CNI server asks of the node. The zero State is a node that
// is not ready.
type State struct {
	mu      sync.Mutex
	mtu     int
	isSet   bool
	readied chan struct{}
}

// ErrNotReady is given until the node has been ready once.
var ErrNotReady = errors.New("the node's part of the network is not set up yet: see condition NetworkUnavailable of the Node")

// planned keeps the MTU; 0 says that it is not known now.
func (s *State) planned(mtu int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if mtu != 0 {
		s.mtu = mtu
	}
}

func (s *State) ready() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.isSet {
		close(s.signal())
	}
	s.isSet = true
}

// Readied gives a channel that is closed once the node has all that pods need.
func (s *State) Readied() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.signal()
}

func (s *State) signal() chan struct{} {
	if s.readied == nil {
		s.readied = make(chan struct{})
	}
	return s.readied
}

// MTU of new pods, in bytes; 0 while the node has not been ready.
func (s *State) MTU() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mtu
}

// Ready is nil once the node has all that pods need. It stays so: a later
// outage of OVN is no reason to refuse what works on the node itself.
func (s *State) Ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isSet {
		return nil
	}
	return ErrNotReady
}
