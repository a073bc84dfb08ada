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
	home    map[string]string // UUID of a port: name of its bridge
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
	}
	for _, row := range list[vsdb.Bridge](ctx, c) {
		s.bridges[row.Name] = row
		for _, port := range row.Ports {
			s.home[port] = row.Name
		}
	}
	for _, row := range list[vsdb.Port](ctx, c) {
		s.ports[row.Name] = row
	}
	for _, row := range list[vsdb.Interface](ctx, c) {
		s.ifaces[row.Name] = row
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
	have, err := c.snapshot(atOnce)
	if err != nil {
		return nil
	}
	return have.owners(prefix)
}

func (s snapshot) owners(prefix string) []string {
	seen := map[string]bool{}
	note := func(ids map[string]string) {
		if owner := ids[ownerKey]; ids[vendorKey] == vendor && owner != "" && strings.HasPrefix(owner, prefix) {
			seen[owner] = true
		}
	}
	for _, row := range s.bridges {
		note(row.ExternalIDs)
	}
	for _, row := range s.ports {
		note(row.ExternalIDs)
	}
	return slices.Sorted(maps.Keys(seen))
}

// All tells what the owners whose name begins with prefix have here, bridges and
// ports sorted by name, with all external_ids that the rows carry, those of
// ovn-controller included.
func (c *Client) All(prefix string) map[string]host.Switching {
	all := map[string]host.Switching{}
	have, err := c.snapshot(atOnce)
	if err != nil {
		return all
	}
	for _, owner := range have.owners(prefix) {
		all[owner] = have.of(owner)
	}
	return all
}

// of reads the rows of one owner back into words.
func (s snapshot) of(owner string) host.Switching {
	var found host.Switching
	for name, row := range s.bridges {
		if owned(row.ExternalIDs, owner) {
			found.Bridges = append(found.Bridges, s.bridge(name))
		}
	}
	for name, row := range s.ports {
		if _, local := s.bridges[name]; !local && owned(row.ExternalIDs, owner) {
			found.Ports = append(found.Ports, s.port(name))
		}
	}
	slices.SortFunc(found.Bridges, func(a, b host.Bridge) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(found.Ports, func(a, b host.BridgePort) int { return strings.Compare(a.Name, b.Name) })
	return found
}

func (s snapshot) bridge(name string) host.Bridge {
	row := s.bridges[name]
	mac, _ := host.ParseMAC(row.OtherConfig[hwaddrKey]) // zero when nobody asked for one
	return host.Bridge{
		Name:         name,
		DatapathType: row.DatapathType,
		FailMode:     value(row.FailMode),
		MAC:          mac,
		ExternalIDs:  row.ExternalIDs,
		OtherConfig:  row.OtherConfig,
	}
}

func (s snapshot) port(name string) host.BridgePort {
	row, iface := s.ports[name], s.ifaces[name]
	mac, _ := host.ParseMAC(value(iface.MAC)) // zero when nobody asked for one
	return host.BridgePort{
		Bridge:      s.home[row.UUID],
		Name:        name,
		Type:        iface.Type,
		MAC:         mac,
		MTU:         value(iface.MTURequest),
		Tag:         value(row.Tag),
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
