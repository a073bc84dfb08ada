package northbound

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"hawser/internal/logical"
)

// errStale says that a row was gone when it was to be updated: the plan has to
// be made again.
var errStale = errors.New("a row vanished meanwhile")

// transaction is several units that are written at once: the check of the fence
// first, then guards, each once however many units it protects, then the
// operations unit by unit.
type transaction struct {
	units      []*unit
	guards     []place
	operations []ovsdb.Operation
	first      []int // index of the first operation of each unit
}

func assemble(units []*unit, f fence) transaction {
	t := transaction{units: units, operations: []ovsdb.Operation{f.check()}}
	seen := map[string]bool{}
	for _, u := range units {
		for _, at := range u.guards() {
			if !seen[at.id] {
				seen[at.id] = true
				t.guards = append(t.guards, at)
				t.operations = append(t.operations, guard(at))
			}
		}
	}
	for _, u := range units {
		t.first = append(t.first, len(t.operations))
		t.operations = append(t.operations, u.operations...)
	}
	return t
}

// failure is what the server had against a transaction.
type failure struct {
	index  int // of the operation; the number of operations when it came at the commit
	reason string
	kind   string // the error of RFC 7047, "constraint violation" and so on
}

func (t transaction) failure(results []ovsdb.OperationResult) (failure, bool) {
	for i, r := range results {
		if r.Error != "" {
			return failure{index: i, kind: r.Error, reason: r.Error + ": " + r.Details}, true
		}
	}
	if len(results) < len(t.operations) {
		return failure{index: len(t.operations), kind: "short answer", reason: fmt.Sprintf("%d results for %d operations", len(results), len(t.operations))}, true
	}
	return failure{}, false
}

// blame finds the units that a failure at an operation is about, and what to
// tell them. It finds none for a failure at the commit, which names no operation.
func (t transaction) blame(f failure) (guilty []*unit, why func(*unit) error) {
	switch {
	case f.index == 0:
		return nil, nil // the fence, which is about the client
	case f.index <= len(t.guards):
		missing := t.guards[f.index-1]
		guilty = slices.DeleteFunc(slices.Clone(t.units), func(u *unit) bool { _, leans := u.leans[missing.id]; return !leans })
		return guilty, func(*unit) error { return fmt.Errorf("%s %q: %w", missing.table, missing.name, ErrParentMissing) }
	case f.index < len(t.operations):
		i, exact := slices.BinarySearch(t.first, f.index)
		if !exact {
			i--
		}
		op := t.operations[f.index]
		return []*unit{t.units[i]}, refusal(fmt.Sprintf("%s of %s: %s", op.Op, op.Table, f.reason))
	}
	return nil, nil
}

func refusal(reason string) func(*unit) error {
	return func(u *unit) error { return &ConstraintError{Owner: u.owner, Reason: reason} }
}

// verdict tells what a committed unit is told: a row that was gone when it was
// to be updated does not make the transaction fail.
func (t transaction) verdict(i int, results []ovsdb.OperationResult) error {
	for j, op := range t.units[i].operations {
		if results[t.first[i]+j].Count == 0 && mustMatch(op) {
			return errStale
		}
	}
	return nil
}

func mustMatch(op ovsdb.Operation) bool {
	switch op.Op {
	case ovsdb.OperationUpdate:
		return true
	case ovsdb.OperationMutate:
		return op.Mutations[0].Mutator == ovsdb.MutateOperationInsert
	}
	return false
}

// isRefusal tells whether the commit failed for what a unit asks, so that
// dividing the batch finds the culprit. All else, such as a full disk or a lost
// election, hits every unit alike.
func (f failure) isRefusal() bool {
	return f.kind == "constraint violation" || f.kind == "referential integrity violation"
}

// ServerError is a failure of the database that is not about what was asked,
// such as a full disk or a leader that lost its election. It is worth another try.
type ServerError struct {
	Owner  logical.Owner
	Reason string
}

// Error names the owner and the reason.
func (e *ServerError) Error() string {
	return fmt.Sprintf("northbound database cannot write %s: %s", e.Owner, e.Reason)
}
