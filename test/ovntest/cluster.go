package ovntest

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Cluster starts the northbound database on several servers that agree by raft,
// and returns once one of them leads.
func Cluster(t testing.TB, servers int) []*Database {
	t.Helper()
	in, dir := installed(t), folder(t)
	address := func(i int) string { return fmt.Sprintf("unix:%s/%d.raft", dir, i) }
	var all []*Database
	for i := range servers {
		file := filepath.Join(dir, fmt.Sprintf("%d.db", i))
		if i == 0 {
			in.run(t, "usr/bin/ovsdb-tool", "create-cluster", file, Schema(t, "ovn-nb"), address(0))
		} else {
			in.run(t, "usr/bin/ovsdb-tool", "join-cluster", file, "OVN_Northbound", address(i), address(0))
		}
		all = append(all, serve(t, "OVN_Northbound", file, nil))
	}
	for deadline := time.Now().Add(patience); !joined(all); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d servers do not agree on a leader within %s", servers, patience)
		}
	}
	return all
}

func joined(all []*Database) bool {
	leaders := 0
	for _, d := range all {
		status := d.Control("cluster/status", d.schema)
		if !strings.Contains(status, "Status: cluster member") {
			return false
		}
		leaders += strings.Count(status, "Role: leader")
	}
	return leaders == 1
}

// Leads tells whether this server is its cluster's leader.
func (d *Database) Leads() bool {
	d.t.Helper()
	return strings.Contains(d.Control("cluster/status", d.schema), "Role: leader")
}
