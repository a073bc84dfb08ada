package northbound

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"
)

// row is one row of the database, found or wanted, in a form that is the same
// for all tables.
type row struct {
	table   string
	id      string    // UUID
	parent  place     // zero for the rows of a root table
	groups  []place   // port groups that list the row, sorted
	columns ovsdb.Row // as encode gives them
	found   bool      // parent is known to hold the row
}

// place is a row that others refer to: a switch, a router or a port group.
type place struct {
	table, name, id string
}

func (p place) String() string { return p.table + "/" + p.name }

// parsePlace reads what String wrote; the id has to be looked up.
func parsePlace(text string) place {
	table, name, _ := strings.Cut(text, "/")
	return place{table: table, name: name}
}

func comparePlaces(a, b place) int { return strings.Compare(a.name, b.name) }

// equal tells whether a row is as wanted.
func equal(have, want row) bool {
	return have.found && have.parent.id == want.parent.id &&
		slices.Equal(have.groups, want.groups) &&
		reflect.DeepEqual(have.columns, want.columns)
}

// changed gives the wanted values of the columns that differ.
func changed(have, want ovsdb.Row) ovsdb.Row {
	out := maps.Clone(want)
	maps.DeleteFunc(out, func(column string, value any) bool { return reflect.DeepEqual(have[column], value) })
	return out
}
