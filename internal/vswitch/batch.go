package vswitch

import (
	"slices"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"hawser/internal/vswitch/vsdb"
)

// batch is one transaction in OVSDB's own words (RFC 7047, 5.2).
type batch struct {
	guards []ovsdb.Operation
	ops    []ovsdb.Operation
}

// operations puts the guards first, as they make the server refuse the rest.
func (b *batch) operations() []ovsdb.Operation { return append(slices.Clone(b.guards), b.ops...) }

func (b *batch) add(ops ...ovsdb.Operation) { b.ops = append(b.ops, ops...) }

func (b *batch) join(bridge, port string) {
	b.add(ovsdb.Operation{Op: ovsdb.OperationMutate, Table: vsdb.BridgeTable, Where: byName(bridge), Mutations: []ovsdb.Mutation{
		{Column: "ports", Mutator: ovsdb.MutateOperationInsert, Value: setOf(ovsdb.UUID{GoUUID: port})},
	}})
}

func (b *batch) member(table, row, column string, how ovsdb.Mutator, element string) {
	b.add(ovsdb.Operation{Op: ovsdb.OperationMutate, Table: table, Where: byUUID(row), Mutations: []ovsdb.Mutation{
		{Column: column, Mutator: how, Value: setOf(ovsdb.UUID{GoUUID: element})},
	}})
}

// update adds the operations for one row; false if there are none.
func (b *batch) update(table, row string, columns ovsdb.Row, mutations []ovsdb.Mutation) bool {
	if len(columns) > 0 {
		b.add(ovsdb.Operation{Op: ovsdb.OperationUpdate, Table: table, Where: byUUID(row), Row: columns})
	}
	if len(mutations) > 0 {
		b.add(ovsdb.Operation{Op: ovsdb.OperationMutate, Table: table, Where: byUUID(row), Mutations: mutations})
	}
	return len(columns)+len(mutations) > 0
}

// optional turns the zero value into the empty set, OVSDB's "not set".
func optional[T comparable](v T) ovsdb.OvsSet {
	var zero T
	if v == zero {
		return setOf[T]()
	}
	return setOf(v)
}

func setOf[T any](values ...T) ovsdb.OvsSet {
	set := ovsdb.OvsSet{GoSet: make([]any, 0, len(values))}
	for _, v := range values {
		set.GoSet = append(set.GoSet, v)
	}
	return set
}

func mapOf(values map[string]string) ovsdb.OvsMap {
	m := ovsdb.OvsMap{GoMap: make(map[any]any, len(values))}
	for k, v := range values {
		m.GoMap[k] = v
	}
	return m
}

func byUUID(uuid string) []ovsdb.Condition {
	return []ovsdb.Condition{{Column: "_uuid", Function: ovsdb.ConditionEqual, Value: ovsdb.UUID{GoUUID: uuid}}}
}

func byName(name string) []ovsdb.Condition {
	return []ovsdb.Condition{{Column: "name", Function: ovsdb.ConditionEqual, Value: name}}
}
