package uplink

import (
	"maps"
	"sync"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
)

// standing is what others ask for while the reconciler works: which uplinks
// stand, and why others do not.
type standing struct {
	mu   sync.Mutex
	here map[string]host.Uplink // by provider network
	why  map[string]string
}

// note keeps a verdict.
func (s *standing) note(provider string, v verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.here == nil {
		s.here, s.why = map[string]host.Uplink{}, map[string]string{}
	}
	delete(s.here, provider)
	delete(s.why, provider)
	switch {
	case v.stands != nil:
		s.here[provider] = *v.stands
	case v.phase != kubeovnv1.PhaseReleased:
		s.why[provider] = v.message
	}
}

// find gives the uplink that stands, or why there is none.
func (s *standing) find(provider string) (up host.Uplink, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if up, found := s.here[provider]; found {
		return up, ""
	}
	if why := s.why[provider]; why != "" {
		return up, why
	}
	return up, "this node has no part in it: see its excludeNodes and nodeSelector"
}

func (s *standing) all() map[string]host.Uplink {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.here)
}
