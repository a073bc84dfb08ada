package steps

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/go-logr/logr"

	"hawser/internal/host"
)

// Edge does the steps of some actions.
type Edge interface {
	// Before says what Undo will have to know, before Do has changed anything.
	Before(ctx context.Context, step host.Step) (string, error)
	// Do brings the step about. It finds what an earlier Do of the same step
	// has left, and then changes nothing.
	Do(ctx context.Context, step host.Step) error
	// Undo takes the step back, also one that was done in part or not at all.
	// Step.Before is what Before said.
	Undo(ctx context.Context, step host.Step) error
}

// ErrRolledBack is in the error of a plan that failed and was taken back: the
// host is as it was.
var ErrRolledBack = errors.New("rolled back")

// StepError says which step failed.
type StepError struct {
	Step host.Step
	Err  error
}

func (e *StepError) Error() string { return fmt.Sprintf("%s: %v", e.Step.Text(), e.Err) }

func (e *StepError) Unwrap() error { return e.Err }

// Runner carries out one plan per name, such as a provider's. It is for one
// caller at a time.
type Runner struct {
	journal journal
	edges   map[host.Action]Edge
	boot    string
}

// Open makes a runner with its journal in a folder, which is made if it is
// missing. The boot identifier tells what was noted before a reboot, which took
// most of it away, from what was noted since.
func Open(folder, boot string, edges map[host.Action]Edge) (*Runner, error) {
	journal, err := openJournal(folder, (*os.File).Sync)
	if err != nil {
		return nil, err
	}
	return &Runner{journal: journal, edges: edges, boot: boot}, nil
}

// Entry is what the journal knows of a name.
type Entry struct {
	Plan    host.Plan // what is wanted; empty while the plan is being taken back
	Settled bool      // all of it was done once, and nothing else is there
}

// Entries reads the journal, those that can be read also with an error. After a
// crash or a boot, Settle with the plan of each brings it to its end, and needs
// nobody but the host itself.
func (r *Runner) Entries() (map[string]Entry, error) {
	records, err := r.journal.all()
	entries := make(map[string]Entry, len(records))
	for name, record := range records {
		entries[name] = Entry{Plan: host.Plan{Steps: record.Want}, Settled: record.Settled}
	}
	return entries, err
}

// Adopt notes a plan that stands on the host although the journal does not know
// it, for Settle to confirm or to take back. It changes nothing else. What was
// before us the edges tell as well as they can; of a NIC that is gone there is
// nothing to tell.
func (r *Runner) Adopt(ctx context.Context, name string, stands host.Plan) error {
	adopted := record{Settled: true, Want: stands.Steps}
	for _, step := range stands.Steps {
		edge, err := r.edge(step)
		if err != nil {
			return err
		}
		step.Before, err = edge.Before(ctx, step)
		if err != nil && !errors.Is(err, host.ErrMissing) {
			return &StepError{Step: step, Err: err}
		}
		adopted.Have = append(adopted.Have, begun{Boot: r.boot, Step: step})
	}
	return r.journal.write(name, adopted)
}

// Settle makes the host be as the plan of a name says: it undoes what an earlier
// plan of that name did otherwise, and does, or confirms, every step of this
// one. A step that differs in its settings only (host.Step.Same) is done over the
// old one, so that nothing is taken away; an uplink that comes or goes leaves the
// others of its bridge alone. The empty plan undoes all.
func (r *Runner) Settle(ctx context.Context, name string, want host.Plan) error {
	record, err := r.journal.read(name)
	if err != nil {
		return err
	}
	if len(record.Have) == 0 && len(want.Steps) == 0 {
		return r.journal.remove(name)
	}
	run := &run{Runner: r, name: name, record: record}
	if err := run.aim(want.Steps); err != nil {
		return err
	}
	if err := run.undo(ctx, run.record.kept(want.Steps)); err != nil {
		return err
	}
	return run.finish(ctx)
}

// run is one Settle.
type run struct {
	*Runner
	name   string
	record record
}

// aim notes what is wanted before anything is done for it. A plan that was
// settled stays so only as long as it is the same, but for its settings.
func (r *run) aim(want []host.Step) error {
	r.record.Stood = r.record.stays(want)
	if r.record.Settled = r.record.Settled && r.record.whole(want); r.record.Settled {
		r.record.Stood = nil
	}
	if r.record.Settled && slices.Equal(r.record.Want, want) {
		return nil
	}
	r.record.Want = want
	return r.write()
}

// finish does the plan, or rolls it back.
func (r *run) finish(ctx context.Context) error {
	if len(r.record.Want) == 0 {
		return r.journal.remove(r.name)
	}
	failed := r.do(ctx)
	if failed == nil {
		return r.settle()
	}
	if r.record.Settled || ctx.Err() != nil {
		return failed // it stood before, or this process has to go and the next one ends it
	}
	if err := r.rollBack(ctx); err != nil {
		return fmt.Errorf("%w; and rolling it back: %w", failed, err)
	}
	return fmt.Errorf("%w: %w", ErrRolledBack, failed)
}

func (r *run) settle() error {
	if r.record.Settled {
		return nil
	}
	r.record.Settled, r.record.Stood = true, nil
	return r.write()
}

// do brings about every step in turn. Where the plan stood before, as after a
// boot, an uplink that fails does not keep the others from being confirmed: its
// NIC may be gone.
func (r *run) do(ctx context.Context) error {
	var failed []error
	uplinks, broken := host.Plan{Steps: r.record.Want}.Uplinks(), map[string]bool{}
	for i, step := range r.record.Want {
		if err := ctx.Err(); err != nil {
			return err
		}
		if broken[step.Uplink.NIC] && !step.OfBridge() {
			continue
		}
		err := r.doOne(ctx, i, step)
		if err == nil {
			continue
		}
		failed = append(failed, &StepError{Step: step, Err: err})
		broken[step.Uplink.NIC] = true
		if !r.record.Settled || step.OfBridge() || len(broken) == len(uplinks) {
			break
		}
	}
	return errors.Join(failed...)
}

func (r *run) doOne(ctx context.Context, i int, step host.Step) error {
	edge, err := r.edge(step)
	if err != nil {
		return err
	}
	step, err = r.note(ctx, edge, i, step)
	if err != nil {
		return err
	}
	return edge.Do(ctx, step)
}

// note puts a step into the journal, with what undoing it needs, unless it is
// there already. After a reboot, or on a NIC that was plugged in anew, the host
// is another than the one that was noted.
func (r *run) note(ctx context.Context, edge Edge, i int, step host.Step) (_ host.Step, err error) {
	known := i < len(r.record.Have) && r.record.Have[i].Step.Same(step)
	if known && r.fresh(r.record.Have[i], step) {
		step.Before = r.record.Have[i].Step.Before
	} else if step.Before, err = edge.Before(ctx, step); err != nil {
		return step, err
	}
	now := begun{Boot: r.boot, Step: step}
	switch {
	case known && r.record.Have[i] == now:
		return step, nil
	case known:
		r.record.Have[i] = now
	default:
		r.record.Have = slices.Insert(r.record.Have, i, now)
	}
	return step, r.write()
}

func (r *run) fresh(noted begun, step host.Step) bool {
	return noted.Boot == r.boot && noted.Step.Uplink.Index == step.Uplink.Index
}

// rollBack goes back to what stood: another uplink that cannot join is no reason
// to take a NIC from running pods. It is the wanted plan from now on, so that a
// crash on the way goes on with it.
func (r *run) rollBack(ctx context.Context) error {
	r.record.Want = r.record.Stood
	if err := r.write(); err != nil {
		return err
	}
	if err := r.undo(ctx, r.record.kept(r.record.Want)); err != nil {
		return err
	}
	if len(r.record.Want) == 0 {
		return r.journal.remove(r.name)
	}
	if err := r.do(ctx); err != nil {
		return err
	}
	return r.settle()
}

// undo takes back all steps but those that stay, the last one first.
func (r *run) undo(ctx context.Context, stay []begun) error {
	for i := len(r.record.Have) - 1; i >= 0; i-- {
		step := r.record.Have[i].Step
		if slices.Contains(stay, r.record.Have[i]) {
			continue
		}
		edge, err := r.edge(step)
		if err != nil {
			return err
		}
		if err := edge.Undo(ctx, step); err != nil {
			return fmt.Errorf("undo %q: %w", step.Text(), err)
		}
		r.record.Have = slices.Delete(r.record.Have, i, i+1)
		if err := r.write(); err != nil {
			return err
		}
		logr.FromContextOrDiscard(ctx).Info("took a step of a plan back", "plan", r.name, "step", step.Text())
	}
	r.record.Have = stay
	return nil
}

func (r *run) write() error { return r.journal.write(r.name, r.record) }

func (r *Runner) edge(step host.Step) (Edge, error) {
	edge, found := r.edges[step.Action]
	if !found {
		return nil, fmt.Errorf("nobody here does %q; was the agent downgraded", step.Action)
	}
	return edge, nil
}
