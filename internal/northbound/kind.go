package northbound

import (
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/ovn-kubernetes/libovsdb/model"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"hawser/internal/northbound/nbdb"
)

// The keys of external_ids that this package writes itself.
const (
	vendorKey = "vendor"
	ownerKey  = "owner"
	parentKey = "parent"
	groupsKey = "groups"

	vendor = "kube-ovn"
)

// kind is what differs between the tables.
type kind struct {
	// holders maps the tables whose rows can hold one of ours to the column that
	// does. A kind without holders is a root: its rows stand by themselves.
	holders map[string]string
	// shared are columns with several writers, which are not compared.
	shared []string
}

var kinds = map[string]kind{
	nbdb.LogicalRouterTable:            {},
	nbdb.LogicalSwitchTable:            {},
	nbdb.PortGroupTable:                {shared: []string{"ports"}},
	nbdb.LogicalRouterPortTable:        {holders: map[string]string{nbdb.LogicalRouterTable: "ports"}},
	nbdb.LogicalSwitchPortTable:        {holders: map[string]string{nbdb.LogicalSwitchTable: "ports"}},
	nbdb.LogicalRouterPolicyTable:      {holders: map[string]string{nbdb.LogicalRouterTable: "policies"}},
	nbdb.LogicalRouterStaticRouteTable: {holders: map[string]string{nbdb.LogicalRouterTable: "static_routes"}},
	nbdb.ACLTable:                      {holders: map[string]string{nbdb.LogicalSwitchTable: "acls", nbdb.PortGroupTable: "acls"}},
}

func (k kind) isRoot() bool { return len(k.holders) == 0 }

// tableNames are the tables in use, in a fixed order.
var tableNames = slices.Sorted(maps.Keys(kinds))

var namespace = uuid.NewSHA1(uuid.NameSpaceDNS, []byte("hawser.kubeovn.io"))

// rowID is the UUID of the row of a table with that key.
func rowID(table, key string) string {
	return uuid.NewSHA1(namespace, []byte(table+"/"+key)).String()
}

// pruned is the part of the database that we read, as libovsdb sees it.
var pruned = mustModel()

func mustModel() model.DatabaseModel {
	client, err := nbdb.FullDatabaseModel()
	if err != nil {
		panic(fmt.Sprintf("generated package nbdb: %v", err))
	}
	client.SetIndexes(indexes())
	db, errs := model.NewDatabaseModel(nbdb.Schema(), client)
	if len(errs) > 0 {
		panic(fmt.Sprintf("generated package nbdb: %v", errs))
	}
	return db
}

// indexes makes finding an owner's rows, and a row of a name, independent of
// the size of the database.
func indexes() map[string][]model.ClientIndex {
	out := map[string][]model.ClientIndex{}
	for _, table := range tableNames {
		out[table] = []model.ClientIndex{{Columns: []model.ColumnKey{{Column: "external_ids", Key: ownerKey}}}}
	}
	for _, table := range []string{nbdb.LogicalRouterTable, nbdb.LogicalSwitchTable} {
		out[table] = append(out[table], model.ClientIndex{Columns: []model.ColumnKey{{Column: "name"}}})
	}
	return out
}

// encode gives the columns of a row in wire form, without those that others
// write too. Sets are sorted, so that equal rows encode to equal values.
func encode(table string, m model.Model) (ovsdb.Row, error) {
	info, err := pruned.NewModelInfo(m)
	if err != nil {
		return nil, fmt.Errorf("encoding a row of %s: %w", table, err)
	}
	out := ovsdb.Row{}
	for column, schema := range pruned.Schema.Table(table).Columns {
		if slices.Contains(kinds[table].shared, column) {
			continue
		}
		value, err := info.FieldByColumn(column)
		if err != nil {
			return nil, fmt.Errorf("encoding a row of %s: %w", table, err)
		}
		if members, isSet := value.([]string); isSet {
			value = slices.Compact(slices.Sorted(slices.Values(members)))
		}
		if out[column], err = ovsdb.NativeToOvs(schema, value); err != nil {
			return nil, fmt.Errorf("encoding column %s of a row of %s: %w", column, table, err)
		}
	}
	return out, nil
}
