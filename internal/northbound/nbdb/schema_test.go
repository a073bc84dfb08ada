package nbdb

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"

	"hawser/test/ovntest"
)

type schemaFile struct {
	Version string
	Tables  map[string]struct {
		Columns map[string]any
		Indexes any
		IsRoot  bool
	}
}

// TestPrunedSchemaIsPartOfTheRealOne compares what was copied by hand with the
// schema of the OVN that we run on.
func TestPrunedSchemaIsPartOfTheRealOne(t *testing.T) {
	pruned, full := read(t, "ovn-nb.ovsschema"), read(t, ovntest.Schema(t, "ovn-nb"))
	if pruned.Version != full.Version {
		t.Errorf("pruned from version %s, OVN has %s", pruned.Version, full.Version)
	}
	for name, table := range pruned.Tables {
		actual, found := full.Tables[name]
		if !found || actual.IsRoot != table.IsRoot || !reflect.DeepEqual(actual.Indexes, table.Indexes) {
			t.Errorf("table %s is not as in the real schema", name)
		}
		for column, definition := range table.Columns {
			if !reflect.DeepEqual(definition, actual.Columns[column]) {
				t.Errorf("column %s of %s is %v, in the real schema %v", column, name, definition, actual.Columns[column])
			}
		}
	}
}

func read(t *testing.T, path string) (s schemaFile) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return s
}
