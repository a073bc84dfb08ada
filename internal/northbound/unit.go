package northbound

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"hawser/internal/logical"
)

// unit is what one Apply wants done: all of it or nothing.
type unit struct {
	owner      logical.Owner
	operations []ovsdb.Operation

	// claims are the rows, by UUID and by name, that no other unit may touch in
	// the same transaction. leans are rows of other owners that have to stay.
	claims map[string]bool
	leans  map[string]place

	ctx    context.Context // of the caller: nothing is begun after it ended
	result chan error      // gets exactly one value, and has room for it
}

func newUnit(o logical.Owner) *unit {
	return &unit{owner: o, claims: map[string]bool{}, leans: map[string]place{}, ctx: context.Background(), result: make(chan error, 1)}
}

func (u *unit) claim(r row) {
	u.claims[r.id] = true
	if name, ok := r.columns["name"].(string); ok {
		u.claims[r.table+"/"+name] = true
	}
}

// lean notes the rows of others that the unit puts something into.
func (u *unit) lean(m mutations) {
	for target := range m {
		if target.mutator == ovsdb.MutateOperationInsert && !u.claims[target.at.id] {
			u.leans[target.at.id] = target.at
		}
	}
}

// guards are the places that have to exist for the unit, in a fixed order.
func (u *unit) guards() []place {
	out := make([]place, 0, len(u.leans))
	for _, p := range u.leans {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b place) int { return strings.Compare(a.id, b.id) })
	return out
}

// zero is the time-out of a wait that is a mere check.
var zero = 0

// guard is an operation that fails unless the place exists. Without it, a
// mutation of a row that is gone succeeds, and what it should hold vanishes.
func guard(at place) ovsdb.Operation {
	return ovsdb.Operation{
		Op: ovsdb.OperationWait, Table: at.table, Timeout: &zero, Where: itself(at.id),
		Columns: []string{"name"}, Until: string(ovsdb.WaitConditionEqual), Rows: []ovsdb.Row{{"name": at.name}},
	}
}

func insert(r row) ovsdb.Operation {
	return ovsdb.Operation{Op: ovsdb.OperationInsert, Table: r.table, UUID: r.id, Row: filled(r.columns)}
}

func update(r row, columns ovsdb.Row) ovsdb.Operation {
	return ovsdb.Operation{Op: ovsdb.OperationUpdate, Table: r.table, Where: itself(r.id), Row: columns}
}

func remove(r row) ovsdb.Operation {
	return ovsdb.Operation{Op: ovsdb.OperationDelete, Table: r.table, Where: itself(r.id)}
}

func itself(id string) []ovsdb.Condition {
	return []ovsdb.Condition{ovsdb.NewCondition("_uuid", ovsdb.ConditionEqual, ovsdb.UUID{GoUUID: id})}
}

// filled leaves out empty sets and maps, which is what a new row has anyway.
func filled(columns ovsdb.Row) ovsdb.Row {
	out := ovsdb.Row{}
	for column, value := range columns {
		switch v := value.(type) {
		case ovsdb.OvsSet:
			if len(v.GoSet) == 0 {
				continue
			}
		case ovsdb.OvsMap:
			if len(v.GoMap) == 0 {
				continue
			}
		}
		out[column] = value
	}
	return out
}

// mutations collects what to put into and take out of sets with many writers,
// so that each set of a unit is mutated once.
type mutations map[target][]string

// target is a column of a row, and what is done to it.
type target struct {
	at      place
	column  string
	mutator ovsdb.Mutator
}

var errNoParent = errors.New("what holds it cannot be found, so it cannot be taken out")

func (m mutations) add(at place, column string, mutator ovsdb.Mutator, id string) {
	t := target{at, column, mutator}
	m[t] = append(m[t], id)
}

// hang puts a new row into its parent and its groups.
func (m mutations) hang(r row) {
	if column := kinds[r.table].holders[r.parent.table]; column != "" {
		m.add(r.parent, column, ovsdb.MutateOperationInsert, r.id)
	}
	for _, g := range r.groups {
		m.add(g, "ports", ovsdb.MutateOperationInsert, r.id)
	}
}

// move takes a row from where it is to where it should be.
func (m mutations) move(have, want row) {
	moved := have.parent.id != want.parent.id
	if moved && have.parent.id != "" {
		m.add(have.parent, kinds[have.table].holders[have.parent.table], ovsdb.MutateOperationDelete, have.id)
	}
	if moved {
		m.add(want.parent, kinds[want.table].holders[want.parent.table], ovsdb.MutateOperationInsert, want.id)
	}
	for _, g := range without(have.groups, want.groups) {
		m.add(g, "ports", ovsdb.MutateOperationDelete, want.id)
	}
	for _, g := range without(want.groups, have.groups) {
		m.add(g, "ports", ovsdb.MutateOperationInsert, want.id)
	}
}

// unhang takes a row out of its parent: the server then deletes it, and takes
// it out of its groups. To delete a row that is still held would be refused.
func (m mutations) unhang(r row) error {
	column := kinds[r.table].holders[r.parent.table]
	if column == "" {
		return errNoParent
	}
	m.add(r.parent, column, ovsdb.MutateOperationDelete, r.id)
	return nil
}

func without(all, some []place) []place {
	return slices.DeleteFunc(slices.Clone(all), func(p place) bool { return slices.Contains(some, p) })
}

// operations gives one operation per set, in a fixed order.
func (m mutations) operations() []ovsdb.Operation {
	out := make([]ovsdb.Operation, 0, len(m))
	for t, ids := range m {
		members := make([]any, 0, len(ids))
		for _, id := range ids {
			members = append(members, ovsdb.UUID{GoUUID: id})
		}
		out = append(out, ovsdb.Operation{
			Op: ovsdb.OperationMutate, Table: t.at.table, Where: itself(t.at.id),
			Mutations: []ovsdb.Mutation{*ovsdb.NewMutation(t.column, t.mutator, ovsdb.OvsSet{GoSet: members})},
		})
	}
	slices.SortFunc(out, func(a, b ovsdb.Operation) int { return strings.Compare(sortKey(a), sortKey(b)) })
	return out
}

func sortKey(op ovsdb.Operation) string {
	id := op.Where[0].Value.(ovsdb.UUID)
	return op.Table + id.GoUUID + op.Mutations[0].Column + string(op.Mutations[0].Mutator)
}
