package agent

import (
	"net/http"
	"net/http/pprof"
)

// Handlers are the pages beside /metrics. The agent is alive while it answers;
// it is ready once the node was, because an outage of OVN is no reason to call
// the one process not ready that outlives it.
func (s *State) Handlers(withPprof bool) map[string]http.Handler {
	pages := map[string]http.Handler{
		"/livez": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }),
		"/readyz": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if err := s.Ready(); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
			}
		}),
	}
	if withPprof {
		pages["/debug/pprof/"] = http.HandlerFunc(pprof.Index)
		pages["/debug/pprof/profile"] = http.HandlerFunc(pprof.Profile)
		pages["/debug/pprof/trace"] = http.HandlerFunc(pprof.Trace)
	}
	return pages
}
