package machine

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

func TestControllers(t *testing.T) {
	for options, want := range map[string][]string{
		"rw,cpu,cpuacct": {"cpu", "cpuacct"},
		"rw,xattr,release_agent=/lib/systemd/systemd-cgroups-agent,name=systemd": {"name=systemd"},
		"rw,memory": {"memory"},
	} {
		if got := controllers(options); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", options, got, want)
		}
	}
}

func TestGroupMounts(t *testing.T) {
	two := groupMounts([]hierarchy{{mountpoint: "/sys/fs/cgroup", unified: true}})
	if len(two) != 1 || two[0].kind != "cgroup2" || two[0].target != "/sys/fs/cgroup" {
		t.Errorf("cgroup v2: %+v", two)
	}
	hybrid := groupMounts([]hierarchy{
		{options: []string{"cpu", "cpuacct"}}, {options: []string{"name=systemd"}}, {unified: true},
	})
	var targets []string
	for _, m := range hybrid {
		targets = append(targets, m.kind+" "+m.target+" "+m.data)
	}
	want := []string{
		"tmpfs /sys/fs/cgroup mode=755", "cgroup /sys/fs/cgroup/cpu,cpuacct cpu,cpuacct",
		"cgroup /sys/fs/cgroup/systemd none,name=systemd", "cgroup2 /sys/fs/cgroup/unified ",
	}
	if !slices.Equal(targets, want) {
		t.Errorf("hybrid: %q, want %q", targets, want)
	}
}

// TestRecord: a machine is on only while the very process that was recorded
// lives; its number alone proves nothing.
func TestRecord(t *testing.T) {
	dir := t.TempDir()
	if got := PID(dir); got != 0 {
		t.Errorf("no record: %d", got)
	}
	sleep := exec.Command("sleep", "60")
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	if err := writeRecord(dir, sleep.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if got := PID(dir); got != sleep.Process.Pid {
		t.Errorf("running: %d, want %d", got, sleep.Process.Pid)
	}
	var r record
	content, _ := os.ReadFile(recordPath(dir))
	if err := json.Unmarshal(content, &r); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*record){
		"another process of that number": func(r *record) { r.Started = "1" },
		"another boot of the host":       func(r *record) { r.Boot = "" },
	} {
		other := r
		change(&other)
		content, _ := json.Marshal(other)
		if err := os.WriteFile(recordPath(dir), content, 0o644); err != nil {
			t.Fatal(err)
		}
		if got := PID(dir); got != 0 {
			t.Errorf("%s: %d", name, got)
		}
	}
	if err := os.WriteFile(recordPath(dir), content, 0o644); err != nil {
		t.Fatal(err)
	}
	_ = sleep.Process.Kill()
	_ = sleep.Wait()
	if got := PID(dir); got != 0 {
		t.Errorf("ended: %d", got)
	}
}

func TestConditions(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	if holds("unix:" + socket) {
		t.Error("a socket that is not there answers")
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if !holds("unix:" + socket) {
		t.Error("a socket that is there does not answer")
	}
	ready := false
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !ready {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer server.Close()
	if holds(server.URL) {
		t.Error("an error counts as an answer")
	}
	if ready = true; !holds(server.URL) {
		t.Error("a good answer does not count")
	}
	await("") // returns at once
}
