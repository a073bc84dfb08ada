package controller

import (
	"errors"
	"fmt"
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
	once    sync.Once
}

var errKilled = errors.New("the process is gone")

func newBarrier(step string, kill bool) *barrier {
	return &barrier{step: step, kill: kill, reached: make(chan struct{}), release: make(chan struct{})}
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

func (b *barrier) install(c *controllerUnderTest) {
	c.writes.before = func(what string, obj client.Object) error { return b.at(what, obj.GetName()) }
	c.edge().before = func(owner logical.Owner, want logical.State) error {
		switch {
		case owner.Kind != "Pod":
			return b.at("write other", owner.Name)
		case len(want.SwitchPorts) == 0:
			return b.at("drop port", owner.Name)
		}
		return b.at("write port", owner.Name)
	}
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
