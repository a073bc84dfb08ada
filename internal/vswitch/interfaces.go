package vswitch

import (
	"slices"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"hawser/internal/host"
	"hawser/internal/vswitch/vsdb"
)

// devicesOf names the interfaces of a port.
func devicesOf(port host.BridgePort) []string {
	if len(port.Members) == 0 {
		return []string{port.Name}
	}
	return port.Members
}

// interfaces brings the interfaces of a port about and names their rows. One that
// another port of the owner has goes over with its row, which cannot be deleted and
// inserted in one transaction: that port goes, or loses it, because a device is
// wanted once only.
func (d *draft) interfaces(want host.BridgePort) (ids []string, changed bool, err error) {
	for _, name := range devicesOf(want) {
		row, found := d.have.ifaces[name]
		if !found {
			ids = append(ids, d.insertInterface(name, want))
			continue
		}
		if err := d.takeOver(name, want.Name); err != nil {
			return nil, false, err
		}
		changed = d.amendInterface(row, want) || changed
		ids = append(ids, row.UUID)
	}
	return ids, changed, nil
}

// takeOver has a device leave the port of a real Kube-OVN that holds it.
func (d *draft) takeOver(device, port string) error {
	holder := d.have.holder[device]
	if holder == port {
		return nil
	}
	row := d.have.ports[holder]
	if err := d.claim("port", holder, row.ExternalIDs); err != nil {
		return err
	}
	if !owned(row.ExternalIDs, d.owner) {
		d.leave(row)
	}
	return nil
}

func (b *batch) insertInterface(name string, want host.BridgePort) (id string) {
	id = identity(vsdb.InterfaceTable, name)
	b.add(ovsdb.Operation{Op: ovsdb.OperationInsert, Table: vsdb.InterfaceTable, UUID: id, Row: ovsdb.Row{
		"name":         name,
		"type":         want.Type,
		"mac":          optional(macText(want.MAC)),
		"mtu_request":  optional(want.MTU),
		"external_ids": mapOf(present(with(want.ExternalIDs, vendorKey, vendor))),
	}})
	return id
}

func (b *batch) amendInterface(have vsdb.Interface, want host.BridgePort) bool {
	columns := ovsdb.Row{}
	if have.Type != want.Type {
		columns["type"] = want.Type
	}
	differ(columns, "mac", have.MAC, macText(want.MAC))
	differ(columns, "mtu_request", have.MTURequest, want.MTU)
	ids := editOf(have.ExternalIDs, with(want.ExternalIDs, vendorKey, vendor)).mutations("external_ids")
	return b.update(vsdb.InterfaceTable, have.UUID, columns, ids)
}

// amendMembers has a port consist of these interfaces; the server collects others.
func (b *batch) amendMembers(row vsdb.Port, interfaces []string) (changed bool) {
	for _, id := range interfaces {
		if !slices.Contains(row.Interfaces, id) {
			b.member(vsdb.PortTable, row.UUID, "interfaces", ovsdb.MutateOperationInsert, id)
			changed = true
		}
	}
	for _, id := range row.Interfaces {
		if !slices.Contains(interfaces, id) {
			b.member(vsdb.PortTable, row.UUID, "interfaces", ovsdb.MutateOperationDelete, id)
			changed = true
		}
	}
	return changed
}
