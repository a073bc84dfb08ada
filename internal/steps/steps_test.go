package steps

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hawser/internal/host"
)

// errKilled is how a stage plays a kill -9: nothing of the process goes on.
var errKilled = errors.New("killed")

// stage is a host of words: a step that was done stands in it.
type stage struct {
	has   []string
	calls int
	// dieAt and failAt name the call, counted from 1, which dies or fails.
	dieAt, failAt int
	after         bool // the call has its effect first
	forgetful     bool // Before finds nothing
	undone        []string
	gone          string // a NIC that is not there
}

func (s *stage) call(effect func()) error {
	s.calls++
	if s.calls == s.dieAt || s.calls == s.failAt {
		if s.after {
			effect()
		}
		if s.calls == s.dieAt {
			panic(errKilled)
		}
		return errors.New("no luck")
	}
	effect()
	return nil
}

func (s *stage) Before(_ context.Context, step host.Step) (string, error) {
	return fmt.Sprint("had:", !s.forgetful && slices.Contains(s.has, step.Text())), s.call(func() {})
}

func (s *stage) Do(_ context.Context, step host.Step) error {
	if s.gone != "" && step.Uplink.NIC == s.gone && !step.OfBridge() {
		return host.ErrMissing
	}
	return s.call(func() {
		if !slices.Contains(s.has, step.Text()) {
			s.has = append(s.has, step.Text())
		}
	})
}

func (s *stage) Undo(_ context.Context, step host.Step) error {
	return s.call(func() {
		if step.Before == "had:true" {
			return // it was there before us
		}
		s.undone = append(s.undone, step.Text())
		s.has = slices.DeleteFunc(s.has, func(have string) bool { return have == step.Text() })
	})
}

// again is the same host with no faults any more.
func (s *stage) again() *stage { return &stage{has: s.has} }

func (s *stage) open(t *testing.T, folder, boot string) *Runner {
	t.Helper()
	edges := map[host.Action]Edge{}
	for _, action := range actions {
		edges[action] = s
	}
	r, err := Open(folder, boot, edges)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// folder is in memory: these tests write a journal some thousand times.
func folder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("/dev/shm", "hawser-steps-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	return folder
}

// recovered is what an agent does when it starts.
func recovered(t *testing.T, r *Runner) error {
	entries, err := r.Entries()
	errs := []error{err}
	for name, entry := range entries {
		errs = append(errs, r.Settle(t.Context(), name, entry.Plan))
	}
	return errors.Join(errs...)
}

// settle plays a process that may die on the way.
func (s *stage) settle(t *testing.T, folder string, want host.Plan) (err error) {
	t.Helper()
	defer func() {
		if died := recover(); died != nil {
			err = died.(error)
		}
	}()
	return s.open(t, folder, "boot-1").Settle(t.Context(), "lan", want)
}

var actions = []host.Action{host.ActionBridge, host.ActionPair, host.ActionJoin, host.ActionLoad, host.ActionFilter, host.ActionMapping}

// plan is that of some uplinks of one bridge.
func plan(nics ...string) host.Plan {
	var p host.Plan
	add := func(nic string, actions ...host.Action) {
		for _, action := range actions {
			p.Steps = append(p.Steps, host.Step{Action: action, Uplink: host.Uplink{Provider: "lan", NIC: nic, Index: 7, Bridge: "br-lan", Tap: "hwo" + nic, Wire: "hww" + nic}})
		}
	}
	add(nics[0], host.ActionBridge)
	for _, nic := range nics {
		add(nic, host.ActionPair, host.ActionJoin, host.ActionLoad, host.ActionFilter)
	}
	add(nics[0], host.ActionMapping)
	return p
}

func (s *stage) is(want host.Plan) bool {
	var texts []string
	for _, step := range want.Steps {
		texts = append(texts, step.Text())
	}
	slices.Sort(texts)
	return slices.Equal(texts, slices.Sorted(slices.Values(s.has)))
}

func TestDoneConfirmedChangedAndTakenBack(t *testing.T) {
	dir, s := folder(t), &stage{}
	for _, want := range []host.Plan{plan("eth1"), plan("eth1"), plan("eth2"), {}, {}} {
		if err := s.settle(t, dir, want); err != nil || !s.is(want) {
			t.Fatalf("%v: host has %v", err, s.has)
		}
	}
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Errorf("left in the journal: %v", files)
	}
}

func TestAFailureIsRolledBack(t *testing.T) {
	for n := 1; ; n++ {
		for _, after := range []bool{false, true} {
			dir, s := folder(t), &stage{failAt: n, after: after}
			err := s.settle(t, dir, plan("eth1"))
			if err == nil {
				return // there are fewer calls
			}
			var failed *StepError
			if !errors.Is(err, ErrRolledBack) || !errors.As(err, &failed) || !strings.Contains(err.Error(), "no luck") {
				t.Errorf("call %d: %v", n, err)
			}
			if !s.is(host.Plan{}) {
				t.Errorf("call %d: host has %v", n, s.has)
			}
		}
	}
}

// TestAKillAnywhere: whatever the next process is asked for, the host ends as it
// was or as wanted; so it does when nobody asks it for anything.
func TestAKillAnywhere(t *testing.T) {
	for name, begin := range map[string]struct{ first, then host.Plan }{
		"attach": {then: plan("eth1")}, "detach": {first: plan("eth1")}, "change": {first: plan("eth1"), then: plan("eth2")},
		"add": {first: plan("eth1"), then: plan("eth1", "eth2")}, "remove": {first: plan("eth1", "eth2"), then: plan("eth2")},
	} {
		t.Run(name, func(t *testing.T) {
			for n := 1; killed(t, n, begin.first, begin.then); n++ {
				continue
			}
		})
	}
}

func killed(t *testing.T, n int, first, then host.Plan) (died bool) {
	t.Helper()
	for _, after := range []bool{false, true} {
		for _, next := range []*host.Plan{nil, {}, ptr(plan("eth1")), ptr(plan("eth2"))} {
			dir, s := folder(t), &stage{}
			if err := s.settle(t, dir, first); err != nil {
				t.Fatal(err)
			}
			s = &stage{has: s.has, dieAt: n, after: after}
			if died = errors.Is(s.settle(t, dir, then), errKilled); !died {
				return false
			}
			s = s.again()
			want := then
			var err error
			if next == nil {
				err = recovered(t, s.open(t, dir, "boot-1"))
				if s.is(host.Plan{}) && len(then.Steps) > 0 && len(first.Steps) == 0 {
					want = host.Plan{} // killed before anything was noted
				}
				if s.is(first) && n == 1 {
					want = first
				}
			} else {
				want, err = *next, s.settle(t, dir, *next)
			}
			if err != nil || !s.is(want) {
				t.Errorf("call %d (after: %v): %v, host has %v, want\n%s", n, after, err, s.has, want.Text())
			}
		}
	}
	return true
}

func ptr[T any](v T) *T { return &v }

// TestAnUplinkComesAndGoes, and nothing of the others, nor the bridge, is touched.
func TestAnUplinkComesAndGoes(t *testing.T) {
	dir, s := folder(t), &stage{}
	for _, c := range []struct {
		want   host.Plan
		undone string
	}{
		{plan("eth1"), ""}, {plan("eth1", "eth2"), ""}, {plan("eth3", "eth1", "eth2"), ""}, {plan("eth2", "eth3"), "eth1"}, {plan("eth3"), "eth2"},
	} {
		s.undone = nil
		if err := s.settle(t, dir, c.want); err != nil || !s.is(c.want) {
			t.Fatalf("%v: host has %v", err, s.has)
		}
		for _, text := range s.undone {
			if c.undone == "" || !strings.Contains(text, c.undone) {
				t.Errorf("for\n%s%q was undone", c.want.Text(), text)
			}
		}
	}
	if err := s.settle(t, dir, host.Plan{}); err != nil || len(s.has) != 0 || s.undone[len(s.undone)-1] != "add bridge br-lan" {
		t.Errorf("%v: host has %v, undone %q", err, s.has, s.undone)
	}
}

// TestAFailureLeavesWhatStood: an uplink that cannot join is taken back alone.
func TestAFailureLeavesWhatStood(t *testing.T) {
	for n := 1; ; n++ {
		dir, s := folder(t), &stage{}
		if err := s.settle(t, dir, plan("eth1")); err != nil {
			t.Fatal(err)
		}
		s = &stage{has: s.has, failAt: n}
		err := s.settle(t, dir, plan("eth2", "eth1"))
		if err == nil {
			return // there are fewer calls
		}
		entries, blind := s.open(t, dir, "boot-1").Entries()
		entry := entries["lan"]
		if !errors.Is(err, ErrRolledBack) || !s.is(plan("eth1")) || blind != nil || !entry.Settled || entry.Plan.Hash() != plan("eth1").Hash() {
			t.Errorf("call %d: %v: host has %v, noted\n%s", n, err, s.has, entry.Plan.Text())
		}
		for _, text := range s.undone {
			if !strings.Contains(text, "eth2") {
				t.Errorf("call %d: %q was undone", n, text)
			}
		}
	}
}

// TestANICThatIsGoneKeepsNoOther from coming back after a boot.
func TestANICThatIsGoneKeepsNoOther(t *testing.T) {
	for _, gone := range []string{"eth1", "eth2"} {
		dir, s := folder(t), &stage{}
		if err := s.settle(t, dir, plan("eth1", "eth2")); err != nil {
			t.Fatal(err)
		}
		s = &stage{gone: gone}
		err := recovered(t, s.open(t, dir, "boot-2"))
		left := map[string]string{"eth1": "eth2", "eth2": "eth1"}[gone]
		if !errors.Is(err, host.ErrMissing) || errors.Is(err, ErrRolledBack) || !s.is(plan(left)) {
			t.Errorf("without %s: %v: host has %v", gone, err, s.has)
		}
		s.gone = ""
		if err := recovered(t, s.open(t, dir, "boot-2")); err != nil || !s.is(plan("eth1", "eth2")) {
			t.Errorf("%s is back: %v: host has %v", gone, err, s.has)
		}
	}
}

// TestAFailureOfWhatStood: an outage takes nothing away.
func TestAFailureOfWhatStood(t *testing.T) {
	dir, s := folder(t), &stage{}
	if err := s.settle(t, dir, plan("eth1")); err != nil {
		t.Fatal(err)
	}
	s = &stage{has: s.has, failAt: 2}
	if err := s.settle(t, dir, plan("eth1")); err == nil || errors.Is(err, ErrRolledBack) || !s.is(plan("eth1")) {
		t.Errorf("%v: host has %v", err, s.has)
	}
	entries, err := s.open(t, dir, "boot-1").Entries()
	if err != nil || !entries["lan"].Settled || entries["lan"].Plan.Hash() != plan("eth1").Hash() {
		t.Errorf("%v: %+v", err, entries)
	}
}

// TestARebootBringsAllBack without anybody asking, and forgets what was before.
func TestARebootBringsAllBack(t *testing.T) {
	dir, s := folder(t), &stage{has: []string{plan("eth1").Steps[0].Text()}}
	if err := s.settle(t, dir, plan("eth1")); err != nil {
		t.Fatal(err)
	}
	s = &stage{} // the boot begins with nothing
	if err := recovered(t, s.open(t, dir, "boot-2")); err != nil || !s.is(plan("eth1")) {
		t.Fatalf("%v: host has %v", err, s.has)
	}
	if err := s.open(t, dir, "boot-2").Settle(t.Context(), "lan", host.Plan{}); err != nil || len(s.has) != 0 {
		t.Errorf("%v: left %v", err, s.has)
	}
}

// TestWhatWasBeforeStays through every confirmation, until the NIC is another.
func TestWhatWasBeforeStays(t *testing.T) {
	had := plan("eth1").Steps[3].Text()
	dir, s := folder(t), &stage{has: []string{had}}
	moved := plan("eth1")
	for i := range moved.Steps {
		moved.Steps[i].Uplink.MTU = 9000
	}
	for _, want := range []host.Plan{plan("eth1"), moved, {}} {
		if err := s.settle(t, dir, want); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.has) != 1 || s.has[0] != had {
		t.Errorf("host has %v", s.has)
	}
}

// trusting is a plan with other settings.
func trusting(p host.Plan) host.Plan {
	for i := range p.Steps {
		p.Steps[i].Uplink.TrustPods, p.Steps[i].Uplink.Mark = true, 7
	}
	return p
}

// TestSettingsAreDoneOver what stands: a failure leaves it, a kill is made good, and
// nothing was undone in between.
func TestSettingsAreDoneOver(t *testing.T) {
	for n := 1; ; n++ {
		for _, killed := range []bool{false, true} {
			dir, s := folder(t), &stage{}
			if err := s.settle(t, dir, plan("eth1")); err != nil {
				t.Fatal(err)
			}
			s = &stage{has: s.has, failAt: n}
			if killed {
				s.failAt, s.dieAt = 0, n
			}
			err := s.settle(t, dir, trusting(plan("eth1")))
			for _, step := range plan("eth1").Steps {
				if !slices.Contains(s.has, step.Text()) {
					t.Errorf("call %d: %q was undone", n, step.Text())
				}
			}
			if err == nil {
				return // there are fewer calls
			}
			if errors.Is(err, ErrRolledBack) {
				t.Errorf("call %d: %v", n, err)
			}
			s = s.again()
			if err := recovered(t, s.open(t, dir, "boot-1")); err != nil {
				t.Errorf("call %d: %v", n, err)
			}
			if want := trusting(plan("eth1")).Steps[3].Text(); !slices.Contains(s.has, want) {
				t.Errorf("call %d: %q is not done", n, want)
			}
		}
	}
}

// TestAMarkIsKeptInTheJournal although no plan tells of it: a restart must not
// bring the old one back.
func TestAMarkIsKeptInTheJournal(t *testing.T) {
	dir, s := folder(t), &stage{}
	marked := plan("eth1")
	for _, mark := range []uint32{1, 2} {
		for i := range marked.Steps {
			marked.Steps[i].Uplink.Mark = mark
		}
		if err := s.settle(t, dir, marked); err != nil {
			t.Fatal(err)
		}
		entries, err := s.open(t, dir, "boot-1").Entries()
		if err != nil || entries["lan"].Plan.Steps[0].Uplink.Mark != mark {
			t.Errorf("%v: %+v", err, entries)
		}
	}
}

// TestWhatStandsIsAdopted where the journal is lost: confirmed or taken back, with
// what the edges know of the time before.
func TestWhatStandsIsAdopted(t *testing.T) {
	for name, want := range map[string]host.Plan{"wanted": plan("eth1"), "not wanted": {}} {
		t.Run(name, func(t *testing.T) {
			dir, s := folder(t), &stage{}
			if err := s.settle(t, folder(t), plan("eth1")); err != nil {
				t.Fatal(err)
			}
			// The edges of this test do not know the time before.
			s.forgetful = true
			if err := s.open(t, dir, "boot-1").Adopt(t.Context(), "lan", plan("eth1")); err != nil || !s.is(plan("eth1")) {
				t.Fatalf("%v: host has %v", err, s.has)
			}
			entries, err := s.open(t, dir, "boot-1").Entries()
			if err != nil || !entries["lan"].Settled || entries["lan"].Plan.Hash() != plan("eth1").Hash() {
				t.Errorf("%v: %+v", err, entries)
			}
			if err := s.settle(t, dir, want); err != nil || !s.is(want) {
				t.Errorf("%v: host has %v", err, s.has)
			}
		})
	}
	failing := &stage{failAt: 2}
	if err := failing.open(t, folder(t), "boot-1").Adopt(t.Context(), "lan", plan("eth1")); err == nil {
		t.Error("adopted what an edge could not tell of")
	}
	if r, err := Open(folder(t), "boot-1", nil); err != nil || r.Adopt(t.Context(), "lan", plan("eth1")) == nil {
		t.Errorf("adopted what nobody does (%v)", err)
	}
}

func TestAFailingUndoIsTriedAgain(t *testing.T) {
	dir, s := folder(t), &stage{}
	if err := s.settle(t, dir, plan("eth1")); err != nil {
		t.Fatal(err)
	}
	s = &stage{has: s.has, failAt: 3}
	if err := s.settle(t, dir, host.Plan{}); err == nil || !strings.Contains(err.Error(), "undo") {
		t.Errorf("%v", err)
	}
	entries, err := s.open(t, dir, "boot-1").Entries()
	if err != nil || entries["lan"].Settled || len(entries["lan"].Plan.Steps) != 0 {
		t.Errorf("%v: %+v", err, entries)
	}
	if err := recovered(t, s.open(t, dir, "boot-1")); err != nil || len(s.has) != 0 {
		t.Errorf("%v: left %v", err, s.has)
	}
}

func TestADyingProcessRollsNothingBack(t *testing.T) {
	dir, s := folder(t), &stage{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.open(t, dir, "boot-1").Settle(ctx, "lan", plan("eth1"))
	if !errors.Is(err, context.Canceled) || errors.Is(err, ErrRolledBack) {
		t.Error(err)
	}
}

func TestABrokenJournalStopsEverything(t *testing.T) {
	dir, s := folder(t), &stage{}
	if err := os.WriteFile(filepath.Join(dir, "lan.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.settle(t, dir, plan("eth1")); err == nil || !strings.Contains(err.Error(), "lan.json") || s.calls != 0 {
		t.Errorf("%v after %d calls", err, s.calls)
	}
	r := s.open(t, dir, "boot-1")
	if _, err := r.Entries(); err == nil {
		t.Error("entries of a broken journal")
	}
	if err := recovered(t, r); err == nil {
		t.Error("recovered a broken journal")
	}
	if _, err := Open(filepath.Join(dir, "lan.json"), "b", nil); err == nil {
		t.Error("a file is no folder")
	}
}

func TestAnUnknownStep(t *testing.T) {
	r, err := Open(folder(t), "boot-1", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Settle(t.Context(), "lan", plan("eth1")); err == nil || !strings.Contains(err.Error(), "downgraded") {
		t.Error(err)
	}
}
