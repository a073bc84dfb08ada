package controller

import (
	"sync"

	"hawser/internal/plan/overlay"
)

// networks are the Subnets that are realised, as they are: a Subnet whose spec
// was changed into something impossible stays here as it was. At the start they
// come from the Subnets whose conditions say that they have been validated.
type networks struct {
	mu     sync.RWMutex
	byName map[string]overlay.Network
}

func (n *networks) get(name string) (overlay.Network, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	network, ok := n.byName[name]
	return network, ok
}

func (n *networks) set(network overlay.Network) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.byName[network.Name] = network
}

func (n *networks) remove(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.byName, name)
}
