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
	if !found {
		d.join(want.Bridge, d.insertPort(want))
		d.changed++
		return nil
	}
	if err := d.claim("port", want.Name, row.ExternalIDs); err != nil {
		return err
	}
	d.count(d.amendPort(row, want))
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
		row := d.have.ports[name]
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

func (d *draft) insertPort(want host.BridgePort) (id string) {
	id = identity(vsdb.PortTable, want.Name)
	iface := identity(vsdb.InterfaceTable, want.Name)
	d.add(
		ovsdb.Operation{Op: ovsdb.OperationInsert, Table: vsdb.InterfaceTable, UUID: iface, Row: ovsdb.Row{
			"name":         want.Name,
			"type":         want.Type,
			"mac":          optional(macText(want.MAC)),
			"mtu_request":  optional(want.MTU),
			"external_ids": mapOf(present(with(want.ExternalIDs, vendorKey, vendor))),
		}},
		ovsdb.Operation{Op: ovsdb.OperationInsert, Table: vsdb.PortTable, UUID: id, Row: ovsdb.Row{
			"name":         want.Name,
			"interfaces":   setOf(ovsdb.UUID{GoUUID: iface}),
			"tag":          optional(want.Tag),
			"external_ids": mapOf(d.mark(nil)),
		}})
	return id
}

// amendPort brings a port that exists to what is wanted; false if it is so.
func (d *draft) amendPort(row vsdb.Port, want host.BridgePort) bool {
	columns, have := ovsdb.Row{}, d.have.ifaces[want.Name]
	if value(row.Tag) != want.Tag {
		columns["tag"] = optional(want.Tag)
	}
	changed := d.update(vsdb.PortTable, row.UUID, columns, editOf(row.ExternalIDs, d.mark(nil)).mutations("external_ids"))

	columns = ovsdb.Row{}
	if have.Type != want.Type {
		columns["type"] = want.Type
	}
	if value(have.MAC) != macText(want.MAC) {
		columns["mac"] = optional(macText(want.MAC))
	}
	if value(have.MTURequest) != want.MTU {
		columns["mtu_request"] = optional(want.MTU)
	}
	ids := editOf(have.ExternalIDs, with(want.ExternalIDs, vendorKey, vendor)).mutations("external_ids")
	changed = d.update(vsdb.InterfaceTable, have.UUID, columns, ids) || changed
	if d.have.home[row.UUID] == want.Bridge {
		return changed
	}
	d.leave(row)
	d.join(want.Bridge, row.UUID)
	return true
}
