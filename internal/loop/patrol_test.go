package loop

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hawser/internal/host"
	"hawser/test/netnstest"
)

// onPatrol starts a patrol in the test's namespace.
func onPatrol(t *testing.T, every time.Duration) *Patrol {
	t.Helper()
	p := NewPatrol()
	p.every = every
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	here := fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid())
	go func() { ended <- netnstest.Within(here, func() error { return p.Run(ctx) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the patrol ended with %v", err)
		}
	})
	return p
}

// until waits, by the patrol's own hints, for findings.
func until(t *testing.T, p *Patrol, what, want string) {
	t.Helper()
	limit := time.After(30 * time.Second)
	for {
		found, current := p.Findings()
		if current && textOf(found) == want {
			return
		}
		select {
		case <-p.Changed():
		case <-limit:
			t.Fatalf("%s: %q (current: %v) instead of %q", what, textOf(found), current, want)
		}
	}
}

// TestPatrolSearchesAgain: nothing happens that the node could notice, and yet a
// loop is found, and found gone, by searching from time to time.
func TestPatrolSearchesAgain(t *testing.T) {
	l := newLab(t)
	p := onPatrol(t, 10*time.Millisecond)
	if _, current := p.Findings(); current {
		t.Error("it knows before it has searched")
	}
	p.Watch(untagged("nic1", "nic2"))
	until(t, p, "two LANs", "")
	l.a.Connect(l.b)
	until(t, p, "one LAN", "nic1+nic2@0")
	l.a.Cut()
	until(t, p, "two LANs again", "")
}

// TestPatrolAtOnce: with searches an hour apart, a change of carrier or of the NICs
// is what makes it search.
func TestPatrolAtOnce(t *testing.T) {
	l := newLab(t)
	l.a.Connect(l.b)
	p := onPatrol(t, time.Hour)
	p.Watch(untagged("nic1"))
	until(t, p, "a NIC alone", "")
	p.Watch(untagged("nic1", "nic2"))
	until(t, p, "one LAN", "nic1+nic2@0")
	l.b.Unplug(l.port)
	until(t, p, "unplugged", "nic1+nic2@0 nic2 is mute: "+errNoCarrier.Error())
	l.b.Replug(l.port)
	until(t, p, "plugged in again", "nic1+nic2@0")
	netnstest.IP(t, "link del nic2")
	p.Watch(untagged("nic1"))
	until(t, p, "one NIC left", "")
}

// TestPatrolBooks: a meeting counts at once, its end after three searches in which
// both NICs took part.
func TestPatrolBooks(t *testing.T) {
	p, nics := NewPatrol(), untagged("a", "b")
	p.Watch(nics)
	met := host.LoopFindings{Meetings: []host.Meeting{meeting("b", "a", 0)}}
	nothing, mute := host.LoopFindings{}, host.LoopFindings{Mute: map[string]string{"b": "x"}}
	for i, step := range []struct {
		found  host.LoopFindings
		meets  bool
		hinted bool
	}{
		{met, true, true},
		{nothing, true, false},
		{nothing, true, false},
		{met, true, false},
		{nothing, true, false},
		{mute, true, true},
		{mute, true, false},
		{mute, true, false},
		{nothing, true, true},
		{nothing, false, true},
		{nothing, false, false},
	} {
		p.book(nics, step.found)
		found, current := p.Findings()
		hinted := len(p.hints) > 0
		if hinted {
			<-p.hints
		}
		if (len(found.Meetings) == 1) != step.meets || hinted != step.hinted || !current {
			t.Errorf("step %d: %+v, hinted %v", i, found, hinted)
		}
	}
	p.book(nics, met)
	p.Watch(untagged("a", "c"))
	p.book(nics, met)
	if found, current := p.Findings(); current || !reflect.DeepEqual(found.Meetings, []host.Meeting(nil)) {
		t.Errorf("of NICs that were replaced: %+v %v", found, current)
	}
}
