package vswitch

import (
	"fmt"
	"maps"

	"github.com/google/uuid"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"hawser/internal/host"
	"hawser/internal/vswitch/vsdb"
)

const (
	hwaddrKey  = "hwaddr"   // in Bridge.other_config, the MAC of the local port
	ifaceIDKey = "iface-id" // in Interface.external_ids, the logical port's name
	rstpKey    = "rstp"     // in Bridge.external_ids: see repeated
	internal   = "internal"
)

// draft is the transaction in the making for one owner. Building it is pure: it
// compares a snapshot with what is wanted.
type draft struct {
	batch
	have    snapshot
	owner   string
	new     map[string]bool // bridges that this transaction inserts
	changed int             // bridges and ports
}

// compose says what has to be sent so that owner has what is wanted.
func compose(have snapshot, owner string, want host.Switching) (*draft, error) {
	if err := checkBonds(want); err != nil {
		return nil, err
	}
	d := &draft{have: have, owner: owner, new: map[string]bool{}}
	for _, b := range want.Bridges {
		if err := d.bridge(b); err != nil {
			return nil, err
		}
	}
	for _, p := range want.Ports {
		if err := d.port(p); err != nil {
			return nil, err
		}
	}
	return d, d.drop(want)
}

// claim is nil if the owner may write a row with these external_ids: its own, or
// one that a real Kube-OVN left behind.
func (d *draft) claim(what, name string, ids map[string]string) error {
	holder := ids[ownerKey]
	if ids[vendorKey] == vendor && (holder == d.owner || holder == "") {
		return nil
	}
	if holder == "" {
		holder = "somebody outside Hawser"
	}
	return fmt.Errorf("%s %s belongs to %s; rename it or remove it with ovs-vsctl: %w", what, name, holder, ErrForeign)
}

// mark adds what makes a row recognisable to the external_ids wanted of it.
func (d *draft) mark(ids map[string]string) map[string]string {
	return with(with(ids, vendorKey, vendor), ownerKey, d.owner)
}

// repeated is a mark beside rstp_enable: ovs-vswitchd 3.5 does not look when that
// column alone changes, and would go on as before until something else does.
func repeated(rstp bool) string {
	if rstp {
		return "true"
	}
	return ""
}

func (d *draft) bridge(want host.Bridge) error {
	config := want.OtherConfig
	if !want.MAC.IsZero() {
		config = with(config, hwaddrKey, want.MAC.String())
	}
	have, found := d.have.bridges[want.Name]
	if !found {
		d.insertBridge(want, config)
		return nil
	}
	if err := d.claim("bridge", want.Name, have.ExternalIDs); err != nil {
		return err
	}
	if have.RSTPEnable && !want.RSTP {
		return fmt.Errorf("bridge %s: %w", want.Name, ErrSpanning)
	}
	columns := ovsdb.Row{}
	if have.DatapathType != want.DatapathType {
		columns["datapath_type"] = want.DatapathType
	}
	if value(have.FailMode) != want.FailMode {
		columns["fail_mode"] = optional(want.FailMode)
	}
	if have.RSTPEnable != want.RSTP {
		columns["rstp_enable"] = want.RSTP
	}
	mutations := append(editOf(have.OtherConfig, config).mutations("other_config"),
		editOf(have.ExternalIDs, with(d.mark(want.ExternalIDs), rstpKey, repeated(want.RSTP))).mutations("external_ids")...)
	d.count(d.update(vsdb.BridgeTable, have.UUID, columns, mutations))
	return nil
}

// insertBridge gives the row an identity that no other node's has. ovs-vswitchd
// makes the MAC of the local port from it where no port has a global one, and from
// that what the bridge is called in RSTP and LACP (bridge_create of bridge.c).
func (d *draft) insertBridge(want host.Bridge, config map[string]string) {
	id := identity(vsdb.BridgeTable, d.have.root.UUID+"/"+want.Name)
	device := host.BridgePort{Name: want.Name, Type: internal}
	local := d.insertPort(device, []string{d.insertInterface(want.Name, device)})
	d.add(ovsdb.Operation{Op: ovsdb.OperationInsert, Table: vsdb.BridgeTable, UUID: id, Row: ovsdb.Row{
		"name":          want.Name,
		"datapath_type": want.DatapathType,
		"fail_mode":     optional(want.FailMode),
		"rstp_enable":   want.RSTP,
		"ports":         setOf(ovsdb.UUID{GoUUID: local}),
		"other_config":  mapOf(present(config)),
		"external_ids":  mapOf(present(with(d.mark(want.ExternalIDs), rstpKey, repeated(want.RSTP)))),
	}})
	d.member(vsdb.OpenvSwitchTable, d.have.root.UUID, "bridges", ovsdb.MutateOperationInsert, id)
	d.new[want.Name] = true
	d.changed++
}

// drop removes what the owner has and no longer wants.
func (d *draft) drop(want host.Switching) error {
	keepBridge, keepPort := map[string]bool{}, map[string]bool{}
	for _, b := range want.Bridges {
		keepBridge[b.Name] = true
	}
	for _, p := range want.Ports {
		keepPort[p.Name] = true
	}
	have := d.have.byOwner(d.owner)[d.owner]
	for _, p := range have.Ports {
		if !keepPort[p.Name] {
			d.leave(d.have.ports[p.Name])
			d.changed++
		}
	}
	for _, b := range have.Bridges {
		if keepBridge[b.Name] {
			continue
		}
		if err := d.dropBridge(b.Name); err != nil {
			return err
		}
	}
	return nil
}

// dropBridge removes a bridge. Its ports would go with it, so nobody else may
// have one there; what a Kube-OVN left in it goes.
func (d *draft) dropBridge(name string) error {
	for port, row := range d.have.ports {
		if d.have.home[row.UUID] == name && port != name && !isPatch(row) && d.claim("port", port, row.ExternalIDs) != nil {
			return fmt.Errorf("bridge %s still has port %s, which would vanish with it: %w", name, port, ErrForeign)
		}
	}
	row := d.have.bridges[name]
	d.member(vsdb.OpenvSwitchTable, d.have.root.UUID, "bridges", ovsdb.MutateOperationDelete, row.UUID)
	if row.RSTPEnable {
		d.number(d.have.root)
	}
	d.changed++
	return nil
}

// isPatch tells whether a port is one half of a patch that ovn-controller laid to
// a bridge of a physical network. It removes both, or what is left of them, when
// the network is mapped no more.
func isPatch(row vsdb.Port) bool { return row.ExternalIDs["ovn-localnet-port"] != "" }

// leave takes a port out of its bridge; the server collects the rows.
func (d *draft) leave(row vsdb.Port) {
	bridge := d.have.bridges[d.have.home[row.UUID]]
	d.member(vsdb.BridgeTable, bridge.UUID, "ports", ovsdb.MutateOperationDelete, row.UUID)
}

func (d *draft) count(changed bool) {
	if changed {
		d.changed++
	}
}

// with is a copy of a map with one key more.
func with(values map[string]string, key, value string) map[string]string {
	more := map[string]string{key: value}
	for k, v := range values {
		if k != key {
			more[k] = v
		}
	}
	return more
}

// present leaves out the keys that are to be absent.
func present(ids map[string]string) map[string]string {
	kept := maps.Clone(ids)
	maps.DeleteFunc(kept, func(_, v string) bool { return v == "" })
	return kept
}

func macText(mac host.MAC) string {
	if mac.IsZero() {
		return ""
	}
	return mac.String()
}

// namespace is the one of all row identities (docs/architecture, "identity").
var namespace = uuid.NewSHA1(uuid.NameSpaceDNS, []byte("hawser.kubeovn.io"))

// identity is the UUID that a row of ours is inserted with.
func identity(table, name string) string {
	return uuid.NewSHA1(namespace, []byte(table+"/"+name)).String()
}
