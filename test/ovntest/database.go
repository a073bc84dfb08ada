package ovntest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Database is a running ovsdb-server with one database. It lives in a folder of
// its own and is killed when the test ends.
type Database struct {
	// Endpoint is where clients connect, such as "unix:/tmp/x/nb.sock".
	Endpoint string

	t       testing.TB
	in      installation
	control string
	schema  string
	file    string
	process process
}

// Northbound starts an empty northbound database. It takes some 50 ms.
// Remotes are further ones than the Unix socket, such as "ptcp:0:127.0.0.1".
func Northbound(t testing.TB, remotes ...string) *Database {
	return standalone(t, "OVN_Northbound", "ovn-nb", remotes)
}

// Southbound starts an empty southbound database.
func Southbound(t testing.TB, remotes ...string) *Database {
	return standalone(t, "OVN_Southbound", "ovn-sb", remotes)
}

func standalone(t testing.TB, schema, file string, remotes []string) *Database {
	t.Helper()
	in, dir := installed(t), folder(t)
	db := filepath.Join(dir, file+".db")
	in.run(t, "usr/bin/ovsdb-tool", "create", db, Schema(t, file))
	return serve(t, schema, db, remotes)
}

// serve runs a server on a database file that exists. Remotes that begin with a
// dash are further options.
func serve(t testing.TB, schema, file string, remotes []string) *Database {
	t.Helper()
	base := strings.TrimSuffix(file, ".db")
	d := &Database{Endpoint: "unix:" + base + ".sock", t: t, in: installed(t), control: base + ".ctl", schema: schema, file: file}
	args := []string{"--remote=punix:" + base + ".sock", "--unixctl=" + d.control, "-vconsole:warn", "--no-chdir"}
	for _, r := range remotes {
		if !strings.HasPrefix(r, "-") {
			r = "--remote=" + r
		}
		args = append(args, r)
	}
	d.process = process{
		t: t, name: "ovsdb-server", log: base + ".log",
		command: func() *exec.Cmd { return d.in.command("usr/sbin/ovsdb-server", append(args, file)...) },
		ready:   listening(base + ".sock"),
	}
	d.process.start()
	t.Cleanup(d.process.kill)
	return d
}

// folder is a short one: a Unix socket's path has 107 bytes.
func folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ovntest")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Kill is a kill -9 of the server.
func (d *Database) Kill() { d.process.kill() }

// Start starts the server again after Kill, on the same file and sockets.
func (d *Database) Start() { d.process.start() }

// Empty makes the database of a killed server a new, empty one.
func (d *Database) Empty() {
	d.t.Helper()
	if err := os.Remove(d.file); err != nil {
		d.t.Fatal(err)
	}
	name := map[string]string{"OVN_Northbound": "ovn-nb", "OVN_Southbound": "ovn-sb"}[d.schema]
	d.in.run(d.t, "usr/bin/ovsdb-tool", "create", d.file, Schema(d.t, name))
}

// Pause stops the server from running (SIGSTOP) with its connections open.
func (d *Database) Pause() { d.process.signal(syscall.SIGSTOP) }

// Resume lets it go on.
func (d *Database) Resume() { d.process.signal(syscall.SIGCONT) }

// Process is the server's id, to read its share of the machine from /proc.
func (d *Database) Process() int { return d.process.running.Process.Pid }

// Transact runs raw operations, each a JSON object, and gives the JSON results.
func (d *Database) Transact(operations ...string) string {
	d.t.Helper()
	transaction := `["` + d.schema + `",` + strings.Join(operations, ",") + `]`
	return d.in.run(d.t, "usr/bin/ovsdb-client", "transact", d.Endpoint, transaction)
}

// Dump gives the columns of a table, all if none is named, as sorted text.
func (d *Database) Dump(table string, columns ...string) string {
	d.t.Helper()
	args := append([]string{"--format=list", "dump", d.Endpoint, d.schema, table}, columns...)
	return d.in.run(d.t, "usr/bin/ovsdb-client", args...)
}

// Control asks the server through its control socket, as ovs-appctl does.
func (d *Database) Control(args ...string) string {
	d.t.Helper()
	return d.in.run(d.t, "usr/bin/ovs-appctl", append([]string{"-t", d.control}, args...)...)
}
