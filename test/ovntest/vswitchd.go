package ovntest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Daemon is a running ovs-vswitchd.
type Daemon struct {
	db      *Database
	control string
	process process
}

// VSwitchd has ovs-vswitchd act on the database in a network namespace, given by
// the path of its file; an empty path is that of the calling thread. Bridges there
// need the userspace datapath (datapath_type=netdev) where the kernel has no
// openvswitch.
func VSwitchd(t testing.TB, db *Database, namespace string) *Daemon {
	t.Helper()
	dir := filepath.Dir(db.file)
	d := &Daemon{db: db, control: filepath.Join(dir, "vswitchd.ctl")}
	line := db.in.Command("usr/lib/openvswitch-switch/ovs-vswitchd",
		"--unixctl="+d.control, "-vconsole:off", "--log-file="+filepath.Join(dir, "vswitchd.log"), "--no-chdir", db.Endpoint)
	if namespace != "" {
		line = append([]string{"nsenter", "--net=" + namespace}, line...)
	}
	d.process = process{
		t: t, name: "ovs-vswitchd", log: filepath.Join(dir, "vswitchd.out"),
		command: func() *exec.Cmd {
			cmd := dying(line)
			cmd.Env = append(os.Environ(), "OVS_RUNDIR="+dir, "OVS_LOGDIR="+dir, "OVS_DBDIR="+dir)
			return cmd
		},
		ready: listening(d.control),
	}
	d.process.start()
	t.Cleanup(d.process.kill)
	return d
}

// Kill is a kill -9 of ovs-vswitchd; in the userspace datapath its devices go along.
func (d *Daemon) Kill() { d.process.kill() }

// Start starts it again after Kill.
func (d *Daemon) Start() { d.process.start() }

// Process is its process.
func (d *Daemon) Process() int { return d.process.running.Process.Pid }

// Sync returns once ovs-vswitchd has acted on all that the database held before:
// ovs-vsctl waits for that when it has changed something.
func (d *Daemon) Sync() {
	d.db.t.Helper()
	for _, command := range [][]string{{"set", "Open_vSwitch", ".", "external_ids:synced=true"}, {"remove", "Open_vSwitch", ".", "external_ids", "synced"}} {
		d.db.in.run(d.db.t, "usr/bin/ovs-vsctl", append([]string{"--db=" + d.db.Endpoint, "--timeout=60"}, command...)...)
	}
}

// Control asks ovs-vswitchd through its control socket, as ovs-appctl does.
func (d *Daemon) Control(args ...string) string {
	d.db.t.Helper()
	return strings.TrimSpace(d.db.in.run(d.db.t, "usr/bin/ovs-appctl", append([]string{"-t", d.control}, args...)...))
}
