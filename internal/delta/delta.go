// Package delta compares what is with what should be. Every edge of the
// product uses it, so that creating, updating and deleting are one path. It is
// pure and holds nothing.
package delta

import (
	"cmp"
	"maps"
	"slices"
)

// Change is a thing that is and should be, but otherwise than it is.
type Change[V any] struct {
	Have, Want V
}

// Delta is the way from one set of things to another. Its parts are in the
// order of their keys, so that the same inputs always give the same work.
type Delta[V any] struct {
	Add    []V
	Change []Change[V]
	Remove []V
}

// Empty tells whether there is nothing to do.
func (d Delta[V]) Empty() bool { return len(d.Add)+len(d.Change)+len(d.Remove) == 0 }

// Diff compares two sets of things by key. Things with the same key are changed
// where equal says that they differ, and left alone otherwise.
func Diff[K cmp.Ordered, V any](have, want map[K]V, equal func(have, want V) bool) Delta[V] {
	var d Delta[V]
	for _, key := range slices.Sorted(maps.Keys(want)) {
		is, found := have[key]
		switch {
		case !found:
			d.Add = append(d.Add, want[key])
		case !equal(is, want[key]):
			d.Change = append(d.Change, Change[V]{Have: is, Want: want[key]})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(have)) {
		if _, wanted := want[key]; !wanted {
			d.Remove = append(d.Remove, have[key])
		}
	}
	return d
}
