package northbound

import (
	"fmt"
	"slices"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"hawser/internal/delta"
	"hawser/internal/logical"
	"hawser/internal/northbound/nbdb"
)

// plan says what leads from the rows that an owner has to the ones it wants.
func (v view) plan(o logical.Owner, state logical.State) (*unit, error) {
	list, err := wishes(o, state)
	if err != nil {
		return nil, err
	}
	p := planner{view: v, owner: o, have: map[string]row{}, want: map[string]row{}, own: map[string]place{}}
	if err := p.readOwned(); err != nil {
		return nil, err
	}
	for _, w := range list {
		if err := p.resolve(w); err != nil {
			return nil, err
		}
	}
	return p.unit()
}

// planner gathers what one owner has and wants, by UUID.
type planner struct {
	view       view
	owner      logical.Owner
	have, want map[string]row
	own        map[string]place // wanted rows that others may hang on
}

func (p *planner) readOwned() error {
	for _, table := range tableNames {
		found, err := p.view.owned(table, p.owner)
		if err != nil {
			return err
		}
		for _, t := range found {
			if p.have[t.GetUUID()], err = p.view.read(table, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// resolve finds out which row a wish is about, and where it hangs.
func (p *planner) resolve(w wish) error {
	id, err := p.identify(w)
	if err != nil {
		return err
	}
	r := row{table: w.table, id: id, found: true}
	if r.columns, err = encode(w.table, w.model); err != nil {
		return err
	}
	if kinds[w.table].isRoot() {
		p.own[w.table+"/"+w.name] = place{table: w.table, name: w.name, id: id}
	} else if r.parent, err = p.locate(w.parent); err != nil {
		return fmt.Errorf("%s: %w", w.label(), err)
	}
	for _, name := range w.groups {
		at, err := p.locate(place{table: nbdb.PortGroupTable, name: name})
		if err != nil {
			return fmt.Errorf("%s: %w", w.label(), err)
		}
		r.groups = append(r.groups, at)
	}
	p.rememberGroups(id, r.groups)
	p.want[id] = r
	return nil
}

// locate finds a place among the wanted rows first, since one state may hold
// both a switch and its ports.
func (p *planner) locate(at place) (place, error) {
	if own, found := p.own[at.String()]; found {
		return own, nil
	}
	return p.view.locate(at)
}

// rememberGroups completes what is known of a port that is there: it may be in
// a wanted group that its tags do not name, say after a change by hand.
func (p *planner) rememberGroups(id string, wanted []place) {
	have, found := p.have[id]
	if !found {
		return
	}
	for _, g := range wanted {
		known := slices.ContainsFunc(have.groups, func(h place) bool { return h.id == g.id })
		if !known && p.view.member(g, id) {
			have.groups = append(have.groups, g)
		}
	}
	slices.SortFunc(have.groups, comparePlaces)
	p.have[id] = have
}

// identify gives the UUID of the row that a wish is about: that of the row with
// its name, if there is one that is ours or may be adopted, else the computed one.
func (p *planner) identify(w wish) (string, error) {
	id := rowID(w.table, w.key)
	if t := p.view.byID(w.table, id); t != nil {
		return id, p.mine(w, t)
	}
	if w.name == "" {
		return id, nil
	}
	found, err := p.view.named(w.table, w.name)
	if err != nil || len(found) == 0 {
		return id, err
	}
	for _, t := range found {
		if p.mine(w, t) == nil {
			return t.GetUUID(), nil
		}
	}
	if len(found) > 1 {
		return "", p.refuse(w, "%d rows have that name: delete all but the one in use", len(found))
	}
	return p.adopt(w, found[0])
}

// mine reports a row that is not this owner's.
func (p *planner) mine(w wish, t tagged) error {
	switch ids := t.GetExternalIDs(); {
	case ids[ownerKey] == p.owner.String():
		return nil
	case ids[ownerKey] != "":
		return p.refuse(w, "row %s belongs to %s", t.GetUUID(), ids[ownerKey])
	}
	return p.refuse(w, "row %s was made by someone else: delete it, or rename what needs it", t.GetUUID())
}

// adopt takes over a row of a real Kube-OVN, which has its vendor tag and no
// owner. It leaves one alone that Kube-OVN's own tags place elsewhere.
func (p *planner) adopt(w wish, t tagged) (string, error) {
	ids := t.GetExternalIDs()
	if ids[ownerKey] != "" || ids[vendorKey] != vendor {
		return "", p.mine(w, t)
	}
	tag := map[string]string{nbdb.LogicalSwitchPortTable: "ls", nbdb.LogicalRouterPortTable: "lr"}[w.table]
	if at := ids[tag]; tag != "" && at != "" && at != w.parent.name {
		return "", p.refuse(w, "row %s of Kube-OVN is on %q, not on %q", t.GetUUID(), at, w.parent.name)
	}
	r, err := p.view.read(w.table, t)
	if err != nil {
		return "", err
	}
	p.have[r.id] = r
	return r.id, nil
}

func (p *planner) refuse(w wish, format string, args ...any) error {
	return &ConstraintError{Owner: p.owner, Reason: w.label() + ": " + fmt.Sprintf(format, args...)}
}

// unit turns the difference into operations.
func (p *planner) unit() (*unit, error) {
	d := delta.Diff(p.have, p.want, equal)
	u := newUnit(p.owner)
	m := mutations{}
	for _, r := range d.Add {
		u.claim(r)
		u.operations = append(u.operations, insert(r))
		m.hang(r)
	}
	for _, c := range d.Change {
		u.claim(c.Have)
		u.claim(c.Want)
		u.operations = append(u.operations, amend(c.Have, c.Want))
		m.move(c.Have, c.Want)
	}
	for _, r := range d.Remove {
		u.claim(r)
		if kinds[r.table].isRoot() {
			u.operations = append(u.operations, remove(r))
		} else if err := m.unhang(r); err != nil {
			return nil, &ConstraintError{Owner: p.owner, Reason: fmt.Sprintf("row %s of %s: %v", r.id, r.table, err)}
		}
	}
	u.operations = append(u.operations, m.operations()...)
	u.lean(m)
	if !pruned.Schema.ValidateOperations(withoutMutations(u.operations)...) {
		return nil, &ConstraintError{Owner: p.owner, Reason: "the operations do not fit the schema"}
	}
	return u, nil
}

// amend writes what differs between two forms of a row. Where no column does, it
// writes the tags as they are, which changes nothing and tells by its count
// whether the row is still there: to put a port that is gone into a group would
// succeed, and leave the group without it.
func amend(have, want row) ovsdb.Operation {
	columns := changed(have.columns, want.columns)
	if len(columns) == 0 {
		columns = ovsdb.Row{"external_ids": want.columns["external_ids"]}
	}
	return update(want, columns)
}

func withoutMutations(all []ovsdb.Operation) []ovsdb.Operation {
	return slices.DeleteFunc(slices.Clone(all), func(op ovsdb.Operation) bool { return op.Op == ovsdb.OperationMutate })
}
