package vswitch

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"hawser/internal/host"
	"hawser/internal/vswitch/vsdb"
)

// Keys and values of external_ids by which rows are known as ours.
const (
	vendorKey = "vendor"
	vendor    = "kube-ovn"
	ownerKey  = "owner"
)

var errNoRoot = errors.New("the Open_vSwitch database has no Open_vSwitch row: run 'ovs-vsctl init' on the node, or restart the ovs-ovn pod")

// snapshot is the content of the database at one moment, by name; names are
// unique in all three tables.
type snapshot struct {
	root    vsdb.OpenvSwitch
	bridges map[string]vsdb.Bridge
	ports   map[string]vsdb.Port
	ifaces  map[string]vsdb.Interface
	home    map[string]string   // UUID of a port: name of its bridge
	holder  map[string]string   // name of an interface: name of its port
	members map[string][]string // name of a port: names of its interfaces, sorted
}

// atOnce is the context for reading the cache as it is: with one that is over,
// libovsdb does not wait for a lost connection to come back.
var atOnce = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// snapshot copies the cache. A node has a few hundred rows. While the connection
// is down it waits until the cache is filled again or ctx ends.
func (c *Client) snapshot(ctx context.Context) (snapshot, error) {
	root, found := c.root(ctx)
	if !found {
		return snapshot{}, errNoRoot
	}
	s := snapshot{
		root:    root,
		bridges: map[string]vsdb.Bridge{},
		ports:   map[string]vsdb.Port{},
		ifaces:  map[string]vsdb.Interface{},
		home:    map[string]string{},
		holder:  map[string]string{},
		members: map[string][]string{},
	}
	for _, row := range list[vsdb.Bridge](ctx, c) {
		s.bridges[row.Name] = row
		for _, port := range row.Ports {
			s.home[port] = row.Name
		}
	}
	names := map[string]string{}
	for _, row := range list[vsdb.Interface](ctx, c) {
		s.ifaces[row.Name] = row
		names[row.UUID] = row.Name
	}
	for _, row := range list[vsdb.Port](ctx, c) {
		s.ports[row.Name] = row
		for _, iface := range row.Interfaces {
			s.holder[names[iface]] = row.Name
			s.members[row.Name] = append(s.members[row.Name], names[iface])
		}
		slices.Sort(s.members[row.Name])
	}
	return s, nil
}

// list copies all rows of a table. Reading the cache can only fail when the row
// type is not in the model, which the compiler's generated code rules out.
func list[Row any](ctx context.Context, c *Client) []Row {
	var rows []Row
	_ = c.db.List(ctx, &rows)
	return rows
}

func (c *Client) root(ctx context.Context) (vsdb.OpenvSwitch, bool) {
	rows := list[vsdb.OpenvSwitch](ctx, c)
	if len(rows) == 0 {
		return vsdb.OpenvSwitch{}, false
	}
	return rows[0], true
}

func (c *Client) ifaceNamed(name string) (vsdb.Interface, bool) {
	row := vsdb.Interface{Name: name}
	err := c.db.Get(atOnce, &row)
	return row, err == nil
}

// Owners lists, sorted, all owners with rows here whose name begins with prefix.
func (c *Client) Owners(prefix string) []string {
	return slices.Sorted(maps.Keys(c.All(prefix)))
}

// All tells what the owners whose name begins with prefix have here, bridges and
// ports sorted by name, with all external_ids that the rows carry, those of
// ovn-controller included.
func (c *Client) All(prefix string) map[string]host.Switching {
	have, err := c.snapshot(atOnce)
	if err != nil {
		return nil
	}
	return have.byOwner(prefix)
}

// byOwner reads rows back into words.
func (s snapshot) byOwner(prefix string) map[string]host.Switching {
	found := map[string]host.Switching{}
	for _, name := range slices.Sorted(maps.Keys(s.bridges)) {
		if owner, ours := ownerOf(s.bridges[name].ExternalIDs, prefix); ours {
			has := found[owner]
			has.Bridges = append(has.Bridges, s.bridge(name))
			found[owner] = has
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.ports)) {
		_, local := s.bridges[name]
		if owner, ours := ownerOf(s.ports[name].ExternalIDs, prefix); ours && !local {
			has := found[owner]
			has.Ports = append(has.Ports, s.port(name))
			found[owner] = has
		}
	}
	return found
}

func ownerOf(ids map[string]string, prefix string) (owner string, ours bool) {
	owner = ids[ownerKey]
	return owner, owner != "" && ids[vendorKey] == vendor && strings.HasPrefix(owner, prefix)
}

func (s snapshot) bridge(name string) host.Bridge {
	row := s.bridges[name]
	mac, _ := host.ParseMAC(row.OtherConfig[hwaddrKey]) // zero when nobody asked for one
	return host.Bridge{
		Name:         name,
		DatapathType: row.DatapathType,
		FailMode:     value(row.FailMode),
		MAC:          mac,
		RSTP:         row.RSTPEnable,
		ExternalIDs:  row.ExternalIDs,
		OtherConfig:  row.OtherConfig,
	}
}

func (s snapshot) port(name string) host.BridgePort {
	row, iface := s.ports[name], s.ifaces[s.members[name][0]] // the schema wants one
	mac, _ := host.ParseMAC(value(iface.MAC))                 // zero when nobody asked for one
	mode, members := s.bond(row)
	return host.BridgePort{
		Bridge:      s.home[row.UUID],
		Name:        name,
		Type:        iface.Type,
		MAC:         mac,
		MTU:         value(iface.MTURequest),
		Tag:         value(row.Tag),
		Protected:   row.Protected,
		Place:       placeOf(row),
		Mode:        mode,
		Members:     members,
		ExternalIDs: iface.ExternalIDs,
	}
}

func owned(ids map[string]string, owner string) bool {
	return ids[vendorKey] == vendor && ids[ownerKey] == owner
}

// value reads an optional column; the zero value stands for "not set".
func value[T any](column *T) T {
	if column == nil {
		var none T
		return none
	}
	return *column
}
