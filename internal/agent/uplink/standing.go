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
	here map[string]party // by provider network
	why  map[string]string
}

// party is the uplinks of a provider network that stand, and what each does.
type party struct {
	uplinks []host.Uplink
	states  map[string]kubeovnv1.UplinkState // by NIC
}

// note keeps a verdict.
func (s *standing) note(provider string, v verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.here == nil {
		s.here, s.why = map[string]party{}, map[string]string{}
	}
	delete(s.here, provider)
	delete(s.why, provider)
	switch {
	case len(v.stands) > 0:
		s.here[provider] = party{uplinks: v.stands, states: v.states}
	case v.phase != kubeovnv1.PhaseReleased:
		s.why[provider] = v.message
	}
}

// find gives the uplinks that stand, or why there is none.
func (s *standing) find(provider string) (uplinks []host.Uplink, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found, stands := s.here[provider]; stands {
		return found.uplinks, ""
	}
	if why := s.why[provider]; why != "" {
		return nil, why
	}
	return nil, "this node has no part in it: see its excludeNodes and nodeSelector"
}

func (s *standing) all() map[string]party {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.here)
}
