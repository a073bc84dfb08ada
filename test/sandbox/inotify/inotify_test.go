package inotify

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLimit: raised only when it must be, put back by the last sandbox
// that counts on it, whichever raised it.
func TestLimit(t *testing.T) {
	dir := t.TempDir()
	l := Limit{filepath.Join(dir, "limit"), filepath.Join(dir, "proc"), filepath.Join(dir, "users")}
	limit := func(want string) {
		t.Helper()
		content, err := os.ReadFile(l.limit)
		if err != nil || strings.TrimSpace(string(content)) != want {
			t.Errorf("limit %s, want %s (%v)", content, want, err)
		}
	}
	reserve := func(sandbox string, nodes, want int) {
		t.Helper()
		if raised, err := l.Reserve(sandbox, nodes); err != nil || raised != want {
			t.Errorf("%s: raised to %d, want %d (%v)", sandbox, raised, want, err)
		}
	}
	release := func(sandbox string) {
		t.Helper()
		if err := l.Release(sandbox); err != nil {
			t.Errorf("%s: %v", sandbox, err)
		}
	}
	if err := os.WriteFile(l.limit, []byte("128\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	reserve("small", 4, 0)
	limit("128")
	if _, err := os.Stat(l.users); err == nil {
		t.Error("a trace of a sandbox that needed nothing")
	}
	reserve("large", 20, 1024)
	reserve("second", 4, 0) // stands on what the first raised
	reserve("large", 20, 0) // up again
	release("large")
	limit("1024")
	release("small")
	release("second")
	limit("128")
	release("second")
	if _, err := os.Stat(l.users); err == nil {
		t.Error("a trace is left")
	}
}
