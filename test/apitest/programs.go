package apitest

import (
	"os"
	"path/filepath"
	"testing"

	"hawser/test/sandbox/tools"
)

// Find returns the sandbox's programs, and builds them where they are missing,
// which takes minutes the first time.
func Find(t testing.TB) Programs {
	t.Helper()
	builder := tools.Builder{Source: sourceRoot(t), Cache: tools.CacheDir(), Say: t.Logf}
	set, err := builder.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return Programs{Rootfs: set.Rootfs, Kubernetes: set.Kubernetes}
}

// sourceRoot is the folder with go.mod: tests run in that of their package.
func sourceRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	t.Fatal("not inside the source tree")
	return ""
}
