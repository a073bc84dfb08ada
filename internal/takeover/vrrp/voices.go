package vrrp

import (
	"slices"
	"time"
)

// voices are what this host's daemons said last, of each virtual router that they
// speak for.
type voices map[router]*voice

type voice struct {
	advert
	last time.Time // when the daemon spoke
	next time.Time // it is missing if nobody has spoken by then
}

// said is an advertisement that has left by the NIC.
func (v voices) said(a advert, now time.Time) {
	if a.priority == 0 {
		delete(v, a.router)
		return
	}
	a.frame = slices.Clone(a.frame)
	v[a.router] = &voice{advert: a, last: now, next: now.Add(a.interval + a.interval/4)}
}

// heard is one of another router.
func (v voices) heard(a advert) {
	if own, found := v[a.router]; found && a.priority >= own.priority {
		delete(v, a.router)
	}
}

// missing are the frames that should have left by now, and are taken to leave.
func (v voices) missing(now time.Time) (frames [][]byte) {
	for _, own := range v {
		if now.Before(own.next) {
			continue
		}
		frames = append(frames, own.frame)
		own.next = now.Add(own.interval)
	}
	return frames
}

// since tells whether each daemon has spoken after a moment.
func (v voices) since(moment time.Time) bool {
	for _, own := range v {
		if !own.last.After(moment) {
			return false
		}
	}
	return true
}

// wait is how long nothing will be missing, at most as long as given.
func (v voices) wait(now time.Time, most time.Duration) time.Duration {
	for _, own := range v {
		most = min(most, own.next.Sub(now))
	}
	return max(most, 0)
}
