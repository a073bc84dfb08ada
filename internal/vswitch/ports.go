package vswitch

import (
	"fmt"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"hawser/internal/host"
	"hawser/internal/vswitch/vsdb"
)

func (d *draft) port(want host.BridgePort) error {
	if err := d.home(want); err != nil {
		return err
	}
	if err := d.evict(want); err != nil {
		return err
	}
	row, found := d.have.ports[want.Name]
	if found {
		if err := d.claim("port", want.Name, row.ExternalIDs); err != nil {
			return err
		}
	}
	ids, changed, err := d.interfaces(want)
	if err != nil {
		return err
	}
	if !found {
		d.join(want.Bridge, d.insertPort(want, ids))
		d.changed++
		return nil
	}
	d.count(d.amendPort(row, want, ids) || changed)
	return nil
}

// home guards that the bridge of a port exists when the transaction runs: a port
// put into a bridge that does not exist would vanish without an error.
func (d *draft) home(want host.BridgePort) error {
	if d.new[want.Bridge] {
		return nil
	}
	if _, found := d.have.bridges[want.Bridge]; !found {
		return fmt.Errorf("%s of port %s: %w", want.Bridge, want.Name, ErrBridgeMissing)
	}
	now := 0
	d.guards = append(d.guards, ovsdb.Operation{
		Op: ovsdb.OperationWait, Table: vsdb.BridgeTable, Timeout: &now,
		Where:   byName(want.Bridge),
		Columns: []string{"name"}, Until: "==", Rows: []ovsdb.Row{{"name": want.Bridge}},
	})
	return nil
}

// evict makes room for a logical port: OVN binds a port to one interface only,
// and flaps between two that claim it. A port left behind by Kube-OVN goes; one
// of the same owner goes anyway, for it is not wanted.
func (d *draft) evict(want host.BridgePort) error {
	id := want.ExternalIDs[ifaceIDKey]
	for name, iface := range d.have.ifaces {
		if id == "" || name == want.Name || iface.ExternalIDs[ifaceIDKey] != id {
			continue
		}
		row := d.have.ports[d.have.holder[name]]
		if owned(row.ExternalIDs, d.owner) {
			continue
		}
		if err := d.claim("port", name, row.ExternalIDs); err != nil {
			return fmt.Errorf("logical port %s is already claimed: %w", id, err)
		}
		d.leave(row)
	}
	return nil
}

func (d *draft) insertPort(want host.BridgePort, interfaces []string) (id string) {
	id = identity(vsdb.PortTable, want.Name)
	mode, lacp := bonding(want)
	rows := ovsdb.OvsSet{}
	for _, row := range interfaces {
		rows.GoSet = append(rows.GoSet, ovsdb.UUID{GoUUID: row})
	}
	d.add(ovsdb.Operation{Op: ovsdb.OperationInsert, Table: vsdb.PortTable, UUID: id, Row: ovsdb.Row{
		"name":         want.Name,
		"interfaces":   rows,
		"tag":          optional(want.Tag),
		"protected":    want.Protected,
		"bond_mode":    optional(mode),
		"lacp":         optional(lacp),
		"other_config": mapOf(present(portConfig(want))),
		"external_ids": mapOf(d.mark(nil)),
	}})
	return id
}

// amendPort brings a port that exists to what is wanted; false if it is so.
func (d *draft) amendPort(row vsdb.Port, want host.BridgePort, interfaces []string) bool {
	columns := ovsdb.Row{}
	mode, lacp := bonding(want)
	differ(columns, "tag", row.Tag, want.Tag)
	differ(columns, "bond_mode", row.BondMode, mode)
	differ(columns, "lacp", row.LACP, lacp)
	if row.Protected != want.Protected {
		columns["protected"] = want.Protected
	}
	changed := d.update(vsdb.PortTable, row.UUID, columns,
		append(editOf(row.OtherConfig, portConfig(want)).mutations("other_config"), editOf(row.ExternalIDs, d.mark(nil)).mutations("external_ids")...))
	changed = d.amendMembers(row, interfaces) || changed
	if d.have.home[row.UUID] == want.Bridge {
		return changed
	}
	d.leave(row)
	d.join(want.Bridge, row.UUID)
	return true
}

// differ writes down an optional column that has to change.
func differ[T comparable](columns ovsdb.Row, name string, have *T, want T) {
	if value(have) != want {
		columns[name] = optional(want)
	}
}
