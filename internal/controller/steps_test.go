package controller

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/logical"
)

// barrier holds one step of one controller up, once, or fails everything from
// that step on.
type barrier struct {
	step    string // "create IP", "write port", "patch Pod", "drop port", "delete IP"
	kill    bool
	mu      sync.Mutex
	dead    bool
	reached chan struct{}
	release chan struct{}
	passed  chan struct{} // the step that was held up has been made, or refused
	once    sync.Once
	twice   sync.Once
}

var errKilled = errors.New("the process is gone")

func newBarrier(step string, kill bool) *barrier {
	return &barrier{step: step, kill: kill, reached: make(chan struct{}), release: make(chan struct{}), passed: make(chan struct{})}
}

// at is called before every write of the controller.
func (b *barrier) at(step, about string) error {
	b.mu.Lock()
	if step == b.step && strings.HasPrefix(about, "web") && b.kill {
		b.dead = true
	}
	dead := b.dead
	b.mu.Unlock()
	if step == b.step && strings.HasPrefix(about, "web") {
		b.once.Do(func() {
			close(b.reached)
			if !b.kill {
				<-b.release
			}
		})
	}
	if dead {
		return errKilled
	}
	return nil
}

// over is called after every write.
func (b *barrier) over(step, about string) {
	select {
	case <-b.reached:
		if step == b.step && strings.HasPrefix(about, "web") {
			b.twice.Do(func() { close(b.passed) })
		}
	default:
	}
}

func (b *barrier) install(c *controllerUnderTest) {
	c.writes.before = func(what string, obj client.Object) error { return b.at(what, obj.GetName()) }
	c.writes.after = func(what string, obj client.Object) { b.over(what, obj.GetName()) }
	c.edge().before = func(owner logical.Owner, want logical.State) error { return b.at(stepOf(owner, want), owner.Name) }
	c.edge().after = func(owner logical.Owner, want logical.State) { b.over(stepOf(owner, want), owner.Name) }
}

func stepOf(owner logical.Owner, want logical.State) string {
	switch {
	case owner.Kind != "Pod":
		return "write other"
	case len(want.SwitchPorts) == 0:
		return "drop port"
	}
	return "write port"
}

func (b *barrier) wait(t *testing.T) {
	t.Helper()
	select {
	case <-b.reached:
	case <-time.After(20 * time.Second):
		t.Fatalf("step %q was not reached", b.step)
	}
}

// portsWith lists the ports in the database that have an address.
func (w *world) portsWith(address string) []string {
	w.t.Helper()
	var names []string
	for _, row := range strings.Split(w.ports(), "\n\n") {
		if strings.Contains(row, address+" ") || strings.Contains(row, address+"\"") {
			names = append(names, row)
		}
	}
	return names
}

// consistent checks that ports, IP objects and annotations say the same.
func (w *world) consistent(pods ...string) error {
	ips, users := w.ips(), map[string]string{}
	for name, ip := range ips {
		for _, addr := range strings.Split(ip.Spec.IPAddress, ",") {
			if other := users[addr]; other != "" {
				return fmt.Errorf("%s is held by %s and %s", addr, name, other)
			}
			users[addr] = name
		}
	}
	ports := w.ports()
	for _, name := range pods {
		ip := ips[name+".shop"]
		if ip == nil {
			return fmt.Errorf("%s has no IP object", name)
		}
		want := ip.Spec.MacAddress + " " + strings.ReplaceAll(ip.Spec.IPAddress, ",", " ")
		if !strings.Contains(ports, want) {
			return fmt.Errorf("no port has %s:\n%s", want, ports)
		}
	}
	if n := strings.Count(ports, ".shop"); n != len(pods) {
		return fmt.Errorf("%d ports of pods, want those of %v:\n%s", n, pods, ports)
	}
	return nil
}

var creating = []string{"create IP", "write port", "patch Pod"}
var deleting = []string{"drop port", "delete IP"}

// A controller is killed before each of its writes; the next one goes on.
func TestKilledBetweenAnyTwoWrites(t *testing.T) {
	for _, step := range append(creating, deleting...) {
		t.Run(step, func(t *testing.T) {
			w := newWorld(t)
			b := newBarrier(step, true)
			first := w.start(b.install)
			w.namespace("shop")
			w.node("n1", "172.30.0.11")
			pod := w.pod("shop", "web", "n1")
			if step == "drop port" || step == "delete IP" {
				w.allocated(pod)
				w.remove(pod)
			}
			b.wait(t)
			first.stop()
			other := w.pod("shop", "other", "n1")
			second := w.start()
			w.allocated(other)
			left := []string{"other"}
			if step != "drop port" && step != "delete IP" {
				w.allocated(pod)
				left = append(left, "web")
			}
			second.quiet()
			w.check(w.consistent(left...))
		})
	}
}

// A leader is stopped before one of its writes. The pod is deleted, a new
// leader gives its address away, and the old one wakes up and goes on as if
// nothing had happened.
func TestStoppedLeaderDoublesNothing(t *testing.T) {
	for _, step := range creating {
		t.Run(step, func(t *testing.T) {
			w := newWorld(t)
			b := newBarrier(step, false)
			first := w.start(b.install)
			w.namespace("shop")
			w.node("n1", "172.30.0.11")
			pod := w.pod("shop", "web", "n1")
			b.wait(t)
			_, lease, ok := first.fabric.Claims.Registry.Lease("web.shop")
			if !ok {
				t.Fatal("nothing was allocated")
			}
			address := lease.Addresses[0].String()
			second := w.start()
			second.quiet()
			w.remove(pod)
			thief := w.pod("shop", "thief", "n1", "ip_address", address)
			if given := w.allocated(thief); given[kubeovnv1.AnnotationIPAddress] != address {
				t.Fatalf("annotations %v", given)
			}
			close(b.release)
			first.quiet()
			second.quiet()
			w.check(w.consistent("thief"))
			if rows := w.portsWith(address); len(rows) != 1 {
				t.Errorf("ports with %s:\n%s", address, strings.Join(rows, "\n"))
			}
		})
	}
}

// The same over and over: every leader is stopped before a write, deposed by
// the next one, and goes on when its pod is gone and its address given away.
func TestStoppedLeadersRoundAfterRound(t *testing.T) {
	rounds := 12
	if text := os.Getenv("HAWSER_ROUNDS"); text != "" {
		rounds, _ = strconv.Atoi(text)
	}
	w := newWorld(t)
	w.namespace("shop")
	w.node("n1", "172.30.0.11")
	b := newBarrier(creating[0], false)
	leader := w.start(b.install)
	for round := range rounds {
		pod := w.pod("shop", "web", "n1")
		b.wait(t)
		_, lease, _ := leader.fabric.Claims.Registry.Lease("web.shop")
		address := lease.Addresses[0].String()
		old, oldBarrier := leader, b
		b = newBarrier(creating[(round+1)%len(creating)], false)
		w.remove(pod)
		leader = w.start(b.install)
		thief := w.pod("shop", "thief", "n1", "ip_address", address)
		w.allocated(thief)
		close(oldBarrier.release)
		<-oldBarrier.passed
		if rows := w.portsWith(address); len(rows) != 1 {
			t.Fatalf("round %d, %s: ports with %s:\n%s", round, oldBarrier.step, address, strings.Join(rows, "\n"))
		}
		old.stop()
		w.eventually(fmt.Sprintf("round %d, %s", round, oldBarrier.step), func() error { return w.consistent("thief") })
		w.remove(thief)
		w.eventually(fmt.Sprintf("round %d: the address stays held", round), func() error { return expectAbsent(w, "thief.shop", "web.shop") })
	}
}

// A leader is stopped while it deletes a pod; the pod comes back, under its old
// name, and the old leader must not take away what is the new pod's.
func TestStoppedLeaderDeletesNothingNew(t *testing.T) {
	for _, step := range deleting {
		t.Run(step, func(t *testing.T) {
			w := newWorld(t)
			b := newBarrier(step, false)
			first := w.start(b.install)
			w.namespace("shop")
			w.node("n1", "172.30.0.11")
			pod := w.pod("shop", "web", "n1")
			w.allocated(pod)
			w.remove(pod)
			b.wait(t)
			second := w.start()
			second.quiet()
			again := w.pod("shop", "web", "n1")
			w.allocated(again)
			close(b.release)
			first.quiet()
			second.quiet()
			w.check(w.consistent("web"))
		})
	}
}
