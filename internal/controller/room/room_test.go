package room

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

type bell struct{ rung []string }

func (b *bell) of(who string) func() { return func() { b.rung = append(b.rung, who) } }

func (b *bell) expect(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(b.rung, want) {
		t.Errorf("woken %v, want %v", b.rung, want)
	}
	b.rung = nil
}

func TestChangeWakesEverybodyOnce(t *testing.T) {
	r, b := New(), &bell{}
	for _, who := range []string{"a", "b", "c"} {
		l := r.Lookout(who, "x", "y")
		l.Wait(b.of(who))
	}
	r.Change("x")
	b.expect(t, "a", "b", "c")
	r.Change("x")
	r.Change("y")
	b.expect(t)
}

func TestChangeForWakesWhoHasWaitedLongest(t *testing.T) {
	r, b := New(), &bell{}
	for _, who := range []string{"a", "b", "c"} {
		l := r.Lookout(who, "x")
		l.Wait(b.of(who))
	}
	r.Leave("a")
	r.ChangeFor("x", 1)
	b.expect(t, "b")
	again := r.Lookout("b", "x")
	again.Wait(b.of("b")) // it was not enough: back to the end
	r.ChangeFor("x", 1)
	b.expect(t, "c")
	r.ChangeFor("x", 5)
	b.expect(t, "b")
}

// A change between looking and waiting is not missed.
func TestChangeBeforeWaiting(t *testing.T) {
	r, b := New(), &bell{}
	l := r.Lookout("a", "x")
	r.Change("x")
	l.Wait(b.of("a"))
	b.expect(t, "a")
}

// Whoever was woken still knows what for, to pass it on.
func TestLeaveTellsWhatFor(t *testing.T) {
	r, b := New(), &bell{}
	l := r.Lookout("a", "x")
	l.Wait(b.of("a"))
	r.ChangeFor("x", 1)
	if topics := r.Leave("a"); fmt.Sprint(topics) != "[x]" {
		t.Errorf("left %v", topics)
	}
	if topics := r.Leave("a"); len(topics) != 0 {
		t.Errorf("left %v again", topics)
	}
}

func request(name string) reconcile.Request {
	return reconcile.Request{NamespacedName: client.ObjectKey{Name: name}}
}

// What comes before the queue is the work of a start and must not hold up what
// comes afterwards.
func TestEarlyIsOfNoHurry(t *testing.T) {
	queue := priorityqueue.New[reconcile.Request]("test")
	defer queue.ShutDown()
	i := &Inbox{}
	i.Add(request("early"))
	if err := i.Start(t.Context(), queue); err != nil {
		t.Fatal(err)
	}
	i.Add(request("late"))
	time.Sleep(20 * time.Millisecond) // both are in the queue
	if first, _ := queue.Get(); first.Name != "late" {
		t.Errorf("%s comes first", first.Name)
	}
}

func TestAfterIsCoalesced(t *testing.T) {
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	defer queue.ShutDown()
	i := &Inbox{After: 50 * time.Millisecond}
	i.Add(request("a"))
	if err := i.Start(t.Context(), queue); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for range 100 {
		i.Add(request("a"))
	}
	queue.Get()
	if waited := time.Since(began); waited < 40*time.Millisecond {
		t.Errorf("due after %s", waited)
	}
	if queue.Len() != 0 || i.String() != "inbox" {
		t.Errorf("%d more", queue.Len())
	}
}

// Topics for which nobody waits are forgotten, and nobody misses a change by it.
func TestTopicsAreForgotten(t *testing.T) {
	r, b := New(), &bell{}
	patient, slow := r.Lookout("patient", "kept"), r.Lookout("slow", "t1")
	patient.Wait(b.of("patient"))
	for i := range 3 * remembered {
		r.Change(fmt.Sprintf("t%d", i))
	}
	if len(r.topics) > 2*remembered {
		t.Errorf("%d topics", len(r.topics))
	}
	slow.Wait(b.of("slow"))
	b.expect(t, "slow")
	r.Change("kept")
	b.expect(t, "patient")
}
