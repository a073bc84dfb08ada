package takeover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hawser/internal/host"
	"hawser/internal/steps"
)

// childEnv has the test binary be an agent that settles a plan, and kills itself on
// the way.
const childEnv = "HAWSER_TEST_TAKEOVER"

// order is what the child has to do. Place 0 is never.
type order struct {
	Endpoint, Journal, Boot string
	Plan                    host.Plan
	Place                   int
}

func TestMain(m *testing.M) {
	if given := os.Getenv(childEnv); given != "" {
		if err := obey(given); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func obey(given string) error {
	var o order
	if err := json.Unmarshal([]byte(given), &o); err != nil {
		return err
	}
	a, err := openAgent(context.Background(), o, func(edge steps.Edge) steps.Edge {
		return &mortal{Edge: edge, left: &o.Place, end: func() error { return syscall.Kill(os.Getpid(), syscall.SIGKILL) }}
	})
	if err != nil {
		return err
	}
	return a.runner.Settle(context.Background(), "lan", o.Plan)
}

// mortal is an edge that meets its end at one of its places: before and after each
// thing that it does.
type mortal struct {
	steps.Edge
	left *int
	end  func() error
}

func (m *mortal) place() error {
	if *m.left--; *m.left == 0 {
		return m.end()
	}
	return nil
}

func (m *mortal) around(do func() error) error {
	if err := m.place(); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return m.place()
}

func (m *mortal) Do(ctx context.Context, step host.Step) error {
	return m.around(func() error { return m.Edge.Do(ctx, step) })
}

func (m *mortal) Undo(ctx context.Context, step host.Step) error {
	return m.around(func() error { return m.Edge.Undo(ctx, step) })
}

// child runs an agent that dies by a kill -9 at a place, and tells whether it did.
func (r *rig) child(want host.Plan, place int) (killed bool) {
	r.t.Helper()
	given, err := json.Marshal(order{Endpoint: r.db.Endpoint, Journal: r.journal, Boot: r.boot, Plan: want, Place: place})
	r.must(err)
	command := exec.Command("/proc/self/exe")
	command.Env = append(os.Environ(), childEnv+"="+string(given))
	out, err := command.CombinedOutput()
	var ended *exec.ExitError
	if errors.As(err, &ended) && ended.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return true
	}
	if err != nil {
		r.t.Fatalf("agent: %v: %s", err, strings.TrimSpace(string(out)))
	}
	return false
}

// TestKilledAgainAndAgain: agents are killed with -9 before and after every step,
// there and back, and each next one goes on; nobody on the network notices.
func TestKilledAgainAndAgain(t *testing.T) {
	everyWay(t, func(t *testing.T, r *rig) {
		before := r.world()
		lost := r.listen()
		kills := 0
		for place := 1; r.child(r.plan, place); place++ {
			kills++
		}
		if kills != 2*len(r.plan.Steps) {
			t.Errorf("killed at %d places of %d steps", kills, len(r.plan.Steps))
		}
		for place := 0; r.child(host.Plan{}, place%3+1); place++ {
			kills++
		}
		t.Logf("killed %d times", kills)
		lost()
		if diff := cmp.Diff(before, r.world()); diff != "" {
			t.Errorf("not as it was: %s", diff)
		}
	})
}

// interrupted settles with an agent that comes to an end at a place, and gives
// how. The end is a panic, as nothing of a killed process goes on.
func (r *rig) interrupted(want host.Plan, place int, end func() error) (err error) {
	r.t.Helper()
	defer func() {
		if died := recover(); died != nil {
			err = died.(error)
		}
	}()
	a := r.agent(func(edge steps.Edge) steps.Edge { return &mortal{Edge: edge, left: &place, end: end} })
	defer a.close()
	return a.runner.Settle(r.t.Context(), r.uplink.Provider, want)
}

var errKilled = errors.New("killed")

// TestTakenBackFromEveryPlace: whoever comes after a kill may want the host as it
// was, or, where it was on its way back, as it is taken over.
func TestTakenBackFromEveryPlace(t *testing.T) {
	everyWay(t, func(t *testing.T, r *rig) {
		before := r.world()
		lost := r.listen()
		die := func() error { panic(errKilled) }
		for place := 1; errors.Is(r.interrupted(r.plan, place, die), errKilled); place++ {
			r.must(r.settle(host.Plan{}))
			r.same(before, fmt.Sprintf("killed at place %d", place))
		}
		taken := r.world()
		for place := 1; errors.Is(r.interrupted(host.Plan{}, place, die), errKilled); place++ {
			r.must(r.settle(r.plan))
			r.same(taken, fmt.Sprintf("killed at place %d of the way back", place))
		}
		lost()
		r.same(before, "at last")
	})
}

// TestEveryStepFails: a step that fails when it was done is taken back with all
// before it; one that cannot be taken back is, later.
func TestEveryStepFails(t *testing.T) {
	everyWay(t, func(t *testing.T, r *rig) {
		before := r.world()
		lost := r.listen()
		fail := func() error { return errNoLuck }
		for place := 2; ; place += 2 {
			err := r.interrupted(r.plan, place, fail)
			if err == nil {
				break
			}
			if !errors.Is(err, steps.ErrRolledBack) || !errors.Is(err, errNoLuck) {
				t.Fatalf("place %d: %v", place, err)
			}
			r.same(before, fmt.Sprintf("failed at place %d", place))
		}
		for place := 1; ; place += 2 {
			err := r.interrupted(host.Plan{}, place, fail)
			if err == nil {
				break
			}
			r.must(r.settle(host.Plan{}))
			r.same(before, fmt.Sprintf("failed at place %d of the way back", place))
			r.must(r.settle(r.plan))
		}
		lost()
		r.same(before, "at last")
	})
}

// same waits until the host is as it should be: ovs-vswitchd may still be making
// the device of a bridge that is no more.
func (r *rig) same(want, when string) {
	r.t.Helper()
	have := r.world()
	for deadline := time.Now().Add(20 * time.Second); have != want && time.Now().Before(deadline); have = r.world() {
		time.Sleep(20 * time.Millisecond)
	}
	if diff := cmp.Diff(want, have); diff != "" {
		r.t.Fatalf("%s: %s", when, diff)
	}
}

// listen pings until it is asked what was lost, and fails for that.
func (r *rig) listen() func() {
	r.t.Helper()
	pings := r.pings()
	time.Sleep(300 * time.Millisecond)
	return func() {
		r.t.Helper()
		time.Sleep(300 * time.Millisecond)
		var ends sync.WaitGroup
		for name, ping := range pings {
			ends.Go(func() {
				if loss := ping.End(); loss.Lost > 0 {
					r.t.Errorf("%s: %v", name, loss)
				} else {
					r.t.Logf("%s: %v", name, loss)
				}
			})
		}
		ends.Wait()
	}
}
