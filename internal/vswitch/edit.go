package vswitch

import (
	"maps"
	"slices"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"
)

// edit is the difference between a map column and what one writer wants of it.
type edit struct {
	unset []string          // keys to remove, those to be replaced included
	set   map[string]string // keys to add
	gone  int               // keys removed and not replaced
}

// editOf compares only the keys in want; an empty value there means "remove".
func editOf(have, want map[string]string) edit {
	e := edit{set: map[string]string{}}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		old, there := have[key]
		switch wanted := want[key]; {
		case wanted == "" && there:
			e.unset = append(e.unset, key)
			e.gone++
		case wanted != "" && old != wanted:
			e.unset = append(e.unset, key)
			e.set[key] = wanted
		}
	}
	return e
}

func (e edit) empty() bool { return len(e.unset) == 0 }

// size is the number of keys that change.
func (e edit) size() int { return len(e.set) + e.gone }

// mutations are applied by the server in order. Keys are removed before they are
// set because inserting into a map leaves a key that is there as it is (RFC
// 7047, 5.1, <mutator>).
func (e edit) mutations(column string) []ovsdb.Mutation {
	if e.empty() {
		return nil
	}
	list := []ovsdb.Mutation{{Column: column, Mutator: ovsdb.MutateOperationDelete, Value: setOf(e.unset...)}}
	if len(e.set) > 0 {
		list = append(list, ovsdb.Mutation{Column: column, Mutator: ovsdb.MutateOperationInsert, Value: mapOf(e.set)})
	}
	return list
}
