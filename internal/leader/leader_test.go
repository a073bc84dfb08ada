package leader

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hawser/test/ovntest"
)

// reports collects what a watcher reports and waits for a value.
type reports chan bool

func (r reports) expect(t *testing.T, want bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		select {
		case got := <-r:
			if got == want {
				return
			}
		case <-deadline:
			t.Fatalf("never reported %t", want)
		}
	}
}

func socketFolder(t *testing.T) string {
	folder, err := os.MkdirTemp("", "leader") // t.TempDir's names are too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	return folder
}

// A real server: it leads while it runs.
func TestDatabaseThatGoesAndComesBack(t *testing.T) {
	server := ovntest.Northbound(t)
	seen := make(reports, 100)
	go WatchDatabase(t.Context(), strings.TrimPrefix(server.Endpoint, "unix:"), "OVN_Northbound", func(leads bool) { seen <- leads })
	seen.expect(t, true)
	server.Kill()
	seen.expect(t, false)
	server.Start()
	seen.expect(t, true)
}

// A server that says what a raft member says when leadership moves, and probes
// in between.
func TestLeadershipThatMoves(t *testing.T) {
	socket := filepath.Join(socketFolder(t), "db.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	row := func(leads bool) map[string]any {
		return map[string]any{"Database": map[string]any{
			"a": map[string]any{"new": map[string]any{"name": "OVN_Southbound", "leader": leads}},
			"b": map[string]any{"new": map[string]any{"name": "_Server", "leader": true}},
		}}
	}
	failure := make(chan error, 1)
	go func() { failure <- moveLeadership(listener, row) }()
	seen := make(reports, 100)
	go WatchDatabase(t.Context(), socket, "OVN_Southbound", func(leads bool) { seen <- leads })
	for _, want := range []bool{false, true, false} {
		seen.expect(t, want)
	}
	if err := <-failure; err != nil {
		t.Error(err)
	}
}

// moveLeadership answers a monitor with "follower", probes, and then notifies
// of "leader" and "follower".
func moveLeadership(listener net.Listener, row func(bool) map[string]any) error {
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	in, out := json.NewDecoder(conn), json.NewEncoder(conn)
	var monitor message
	if err := in.Decode(&monitor); err != nil || monitor.Method != "monitor" {
		return errors.Join(err, errors.New("no monitor came"))
	}
	out.Encode(map[string]any{"id": monitor.ID, "result": row(false), "error": nil})
	out.Encode(map[string]any{"id": "probe", "method": "echo", "params": []any{}})
	var echo message
	if err := in.Decode(&echo); err != nil || echo.ID != "probe" {
		return errors.Join(err, errors.New("the probe was not answered"))
	}
	for _, leads := range []bool{true, false} {
		out.Encode(map[string]any{"id": nil, "method": "update", "params": []any{"leader", row(leads)}})
	}
	return nil
}

func TestNorthd(t *testing.T) {
	folder := socketFolder(t)
	seen := make(reports, 1000)
	go WatchNorthd(t.Context(), folder, 10*time.Millisecond, func(active bool) { seen <- active })
	seen.expect(t, false) // there is none yet
	listener, err := net.Listen("unix", filepath.Join(folder, "ovn-northd.7.ctl"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	answers := make(chan string, 1)
	answers <- "Status: active\n"
	go serveStatus(listener, answers)
	if err := os.WriteFile(filepath.Join(folder, "ovn-northd.pid"), []byte("7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	seen.expect(t, true)
	<-answers
	answers <- "Status: standby\n"
	seen.expect(t, false)
}

func serveStatus(listener net.Listener, answers chan string) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		answer := <-answers
		answers <- answer
		json.NewEncoder(conn).Encode(map[string]any{"id": "status", "result": answer, "error": nil})
	}
}

func TestLabelsAreWrittenOnceAndAgainAfterAFailure(t *testing.T) {
	writes := make(chan map[string]bool, 10)
	fail := true
	labels := NewLabels(func(_ context.Context, l map[string]bool) error {
		if fail {
			fail = false
			return errors.New("the API server is away")
		}
		writes <- maps.Clone(l)
		return nil
	}, func(error) {})
	labels.Report("nb")(true)
	labels.Report("sb")(false)
	go labels.Run(t.Context())
	if got := <-writes; !maps.Equal(got, map[string]bool{"nb": true, "sb": false}) {
		t.Errorf("first write is %v", got)
	}
	labels.Report("nb")(true) // nothing new
	labels.Report("sb")(true)
	if got := <-writes; !maps.Equal(got, map[string]bool{"sb": true}) {
		t.Errorf("second write is %v", got)
	}
}
