package uplink

import "time"

// A plan that was rolled back is tried again after these times, growing: each
// try touches a NIC, and its own traces wake the reconciler.
const (
	firstHold = 10 * time.Second
	lastHold  = 10 * time.Minute
)

// hold is a plan that must rest.
type hold struct {
	hash  string
	until time.Time
	rest  time.Duration
	why   verdict
}

// holds are the plans that must rest, by provider network. They are not kept
// over a restart, which is one try more.
type holds struct{ of map[string]hold }

// earlier is the shorter of two rests; 0 is none.
func earlier(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// hold lets a plan rest, twice as long as the last time.
func (h *holds) hold(provider string, why verdict, now time.Time) {
	if h.of == nil {
		h.of = map[string]hold{}
	}
	hash := why.result.Plan.Hash()
	rest := firstHold
	if last, found := h.of[provider]; found && last.hash == hash {
		rest = min(2*last.rest, lastHold)
	}
	h.of[provider] = hold{hash: hash, until: now.Add(rest), rest: rest, why: why}
}

// held tells whether a plan rests, and why.
func (h *holds) held(provider, hash string, now time.Time) (bool, verdict) {
	last, found := h.of[provider]
	return found && last.hash == hash && now.Before(last.until), last.why
}

func (h *holds) forget(provider string) { delete(h.of, provider) }

// next is how long the first of them still rests; 0 means that none does. One whose
// rest is over is looked at now, and may wait for something else.
func (h *holds) next(now time.Time) time.Duration {
	var first time.Duration
	for _, hold := range h.of {
		if rest := hold.until.Sub(now); rest > 0 && (first == 0 || rest < first) {
			first = rest
		}
	}
	return first
}
