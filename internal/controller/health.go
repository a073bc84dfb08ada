package controller

import (
	"context"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"
)

// Health answers /livez and /readyz. A process is alive while it answers. It is
// ready once its caches are filled and, if it leads, while it is connected to
// the northbound database.
type Health struct {
	mu        sync.Mutex
	synced    func(context.Context) bool
	connected func() bool
}

// Synced sets how to find out whether the caches are filled.
func (h *Health) Synced(synced func(context.Context) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.synced = synced
}

// Connected sets how to find out whether the database is connected; a process
// that does not lead has none.
func (h *Health) Connected(connected func() bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.connected = connected
}

// Handlers are the pages, with those of pprof if wanted.
func (h *Health) Handlers(withPprof bool) map[string]http.Handler {
	pages := map[string]http.Handler{
		"/livez":  http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }),
		"/readyz": http.HandlerFunc(h.ready),
	}
	if withPprof {
		pages["/debug/pprof/"] = http.HandlerFunc(pprof.Index)
		pages["/debug/pprof/profile"] = http.HandlerFunc(pprof.Profile)
		pages["/debug/pprof/trace"] = http.HandlerFunc(pprof.Trace)
	}
	return pages
}

func (h *Health) ready(w http.ResponseWriter, request *http.Request) {
	h.mu.Lock()
	synced, connected := h.synced, h.connected
	h.mu.Unlock()
	ctx, cancel := context.WithTimeout(request.Context(), time.Second)
	defer cancel()
	switch {
	case synced == nil || !synced(ctx):
		http.Error(w, "waiting for the API server: the caches are not filled", http.StatusServiceUnavailable)
	case connected != nil && !connected():
		http.Error(w, "not connected to the northbound database", http.StatusServiceUnavailable)
	default:
		w.WriteHeader(http.StatusOK)
	}
}
