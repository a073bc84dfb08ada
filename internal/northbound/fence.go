package northbound

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"
)

// ErrDeposed says that another process has dialled the database since and is
// its writer now. Nothing was written and nothing ever will be by this client:
// the process has lost its leadership, knows it or not, and should end.
var ErrDeposed = errors.New("another process has become the writer of the northbound database: this one has to end")

const (
	globalTable = "NB_Global"
	writerKey   = "hawser-writer"
)

// fence makes one client the only writer. A leader that was suspended, lost its
// lease and wakes up would otherwise carry out what it had planned, say write a
// port with an address that its successor has given away meanwhile. Dial
// writes a mark of its own into NB_Global:external_ids:hawser-writer, and every
// transaction begins with a check that the mark is still there.
type fence struct {
	mark string
	row  string // UUID of the one row of NB_Global, known once raised
}

type transactor func(context.Context, []ovsdb.Operation) ([]ovsdb.OperationResult, error)

func newFence() fence { return fence{mark: uuid.NewString()} }

func (f fence) pair() ovsdb.OvsMap {
	return ovsdb.OvsMap{GoMap: map[any]any{writerKey: f.mark}}
}

// check is an operation that fails unless the mark is there: the row with it
// must be the known one, and not none.
func (f fence) check() ovsdb.Operation {
	return ovsdb.Operation{
		Op: ovsdb.OperationWait, Table: globalTable, Timeout: &zero,
		Where:   []ovsdb.Condition{ovsdb.NewCondition("external_ids", ovsdb.ConditionIncludes, f.pair())},
		Columns: []string{"_uuid"}, Until: string(ovsdb.WaitConditionEqual), Rows: []ovsdb.Row{{"_uuid": ovsdb.UUID{GoUUID: f.row}}},
	}
}

// raise puts the mark where there is none, and in place of another's if take
// is set. That is for the first connection only: one that is made again must
// not lock out a successor. It fails with ErrDeposed if another's mark stays.
func (f *fence) raise(ctx context.Context, transact transactor, take bool) error {
	var operations []ovsdb.Operation
	if take {
		keys := ovsdb.OvsSet{GoSet: []any{writerKey}}
		operations = append(operations, mutateGlobal(ovsdb.MutateOperationDelete, keys))
	}
	// To insert a pair into a map leaves a pair of the same key as it is.
	operations = append(operations, mutateGlobal(ovsdb.MutateOperationInsert, f.pair()),
		ovsdb.Operation{Op: ovsdb.OperationSelect, Table: globalTable, Columns: []string{"_uuid", "external_ids"}})
	for range maxAttempts {
		results, err := transact(ctx, operations)
		if err != nil {
			return err
		}
		if f, failed := (transaction{operations: operations}).failure(results); failed {
			return fmt.Errorf("becoming the writer of the database: %s", f.reason)
		}
		if rows := results[len(results)-1].Rows; len(rows) > 0 {
			return f.compare(rows[0])
		}
		// A new database has no row yet. That ovn-northd makes one at the same
		// time is refused, and then there is one.
		row := ovsdb.Operation{Op: ovsdb.OperationInsert, Table: globalTable, Row: ovsdb.Row{"external_ids": f.pair()}}
		if _, err := transact(ctx, []ovsdb.Operation{row}); err != nil {
			return err
		}
	}
	return fmt.Errorf("becoming the writer of the database: no row of %s can be made", globalTable)
}

// everyRow is a condition that always holds: libovsdb cannot send none.
var everyRow = []ovsdb.Condition{ovsdb.NewCondition("nb_cfg", ovsdb.ConditionGreaterThanOrEqual, 0)}

func mutateGlobal(mutator ovsdb.Mutator, value any) ovsdb.Operation {
	return ovsdb.Operation{
		Op: ovsdb.OperationMutate, Table: globalTable, Where: everyRow,
		Mutations: []ovsdb.Mutation{*ovsdb.NewMutation("external_ids", mutator, value)},
	}
}

func (f *fence) compare(row ovsdb.Row) error {
	id, _ := row["_uuid"].(ovsdb.UUID)
	f.row = id.GoUUID
	ids, _ := row["external_ids"].(ovsdb.OvsMap)
	if ids.GoMap[writerKey] != f.mark {
		return ErrDeposed
	}
	return nil
}
