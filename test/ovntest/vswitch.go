package ovntest

import (
	"path/filepath"
	"testing"
)

// VSwitch starts a local Open_vSwitch database with its one root row, as
// `ovs-vsctl init` leaves it; there is no ovs-vswitchd to act on it.
func VSwitch(t testing.TB) *Database {
	t.Helper()
	in, dir := installed(t), folder(t)
	db := filepath.Join(dir, "db.db")
	in.run(t, "usr/bin/ovsdb-tool", "create", db, VSwitchSchema(t))
	d := serve(t, "Open_vSwitch", db, nil)
	d.VSCtl("init")
	return d
}

// VSCtl runs ovs-vsctl, to arrange and to look, and gives what it prints. It does
// not wait for ovs-vswitchd.
func (d *Database) VSCtl(args ...string) string {
	d.t.Helper()
	return d.in.run(d.t, "usr/bin/ovs-vsctl", append([]string{"--db=" + d.Endpoint, "--no-wait"}, args...)...)
}

// VSwitchSchema is the path of Open vSwitch's own schema.
func VSwitchSchema(t testing.TB) string {
	return installed(t).Path("usr/share/openvswitch/vswitch.ovsschema")
}
