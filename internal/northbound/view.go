package northbound

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ovn-kubernetes/libovsdb/cache"
	"github.com/ovn-kubernetes/libovsdb/model"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"hawser/internal/logical"
	"hawser/internal/northbound/nbdb"
)

// view reads the replica of the database that one connection keeps. What it
// gives are copies.
type view map[string]*cache.RowCache

// tagged is what the generated row types have in common.
type tagged interface {
	GetUUID() string
	GetExternalIDs() map[string]string
}

func newView(replica *cache.TableCache) view {
	v := view{}
	for _, table := range tableNames {
		v[table] = replica.Table(table)
	}
	return v
}

// owned finds the rows of an owner in a table through the index.
func (v view) owned(table string, o logical.Owner) ([]tagged, error) {
	value := ovsdb.OvsMap{GoMap: map[any]any{ownerKey: o.String()}}
	return v.find(table, ovsdb.NewCondition("external_ids", ovsdb.ConditionIncludes, value))
}

// named finds the rows of a name, of which there may be several where the
// schema does not forbid it.
func (v view) named(table, name string) ([]tagged, error) {
	return v.find(table, ovsdb.NewCondition("name", ovsdb.ConditionEqual, name))
}

func (v view) find(table string, where ovsdb.Condition) ([]tagged, error) {
	found, err := v[table].RowsByCondition([]ovsdb.Condition{where})
	if err != nil {
		return nil, fmt.Errorf("looking for rows of %s: %w", table, err)
	}
	out := make([]tagged, 0, len(found))
	for _, m := range found {
		out = append(out, m.(tagged))
	}
	slices.SortFunc(out, func(a, b tagged) int { return strings.Compare(a.GetUUID(), b.GetUUID()) })
	return out, nil
}

// byID gives the row of a UUID, or nil.
func (v view) byID(table, id string) tagged {
	if m := v[table].Row(id); m != nil {
		return m.(tagged)
	}
	return nil
}

// locate looks up a place that rows hang on, by its name. Only rows that are
// ours or a Kube-OVN's count.
func (v view) locate(p place) (place, error) {
	found, err := v.named(p.table, p.name)
	if err != nil {
		return place{}, err
	}
	found = slices.DeleteFunc(found, func(t tagged) bool { return t.GetExternalIDs()[vendorKey] != vendor })
	switch len(found) {
	case 0:
		return place{}, fmt.Errorf("%s %q: %w", p.table, p.name, ErrParentMissing)
	case 1:
		p.id = found[0].GetUUID()
		return p, nil
	}
	return place{}, fmt.Errorf("%d rows of %s are named %q: delete all but the one in use", len(found), p.table, p.name)
}

// member tells whether a port group lists a port.
func (v view) member(group place, port string) bool {
	g, ok := v.byID(nbdb.PortGroupTable, group.id).(*nbdb.PortGroup)
	return ok && slices.Contains(g.Ports, port)
}

// read turns a row of the replica into the common form. Its parent and its
// groups are where its tags say, as far as those still exist.
func (v view) read(table string, t tagged) (row, error) {
	columns, err := encode(table, t.(model.Model))
	if err != nil {
		return row{}, err
	}
	ids := t.GetExternalIDs()
	r := row{table: table, id: t.GetUUID(), columns: columns, found: kinds[table].isRoot()}
	if text := ids[parentKey]; text != "" && !r.found {
		if at, err := v.locate(parsePlace(text)); err == nil {
			r.parent, r.found = at, true
		}
	}
	for _, name := range strings.FieldsFunc(ids[groupsKey], func(c rune) bool { return c == ',' }) {
		at, err := v.locate(place{table: nbdb.PortGroupTable, name: name})
		if err == nil && v.member(at, r.id) {
			r.groups = append(r.groups, at)
		}
	}
	slices.SortFunc(r.groups, comparePlaces)
	return r, nil
}

// owners lists the owners that have rows in any table.
func (v view) owners() []logical.Owner {
	seen := map[logical.Owner]bool{}
	for _, table := range tableNames {
		values, err := v[table].Index("external_ids|" + ownerKey)
		if err != nil {
			panic(fmt.Sprintf("table %s has no index of owners: %v", table, err)) // indexes makes it
		}
		for value := range values {
			if o, ok := logical.ParseOwner(value.(string)); ok {
				seen[o] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(seen), func(a, b logical.Owner) int { return strings.Compare(a.String(), b.String()) })
}
