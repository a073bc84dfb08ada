package apitest

import (
	"testing"

	"hawser/test/rootfs"
	"hawser/test/sandbox/tools"
)

// Find returns the sandbox's programs, and builds them where they are missing,
// which takes minutes the first time.
func Find(t testing.TB) Programs {
	t.Helper()
	source, err := rootfs.Source()
	if err != nil {
		t.Fatal(err)
	}
	builder := tools.Builder{Source: source, Cache: tools.CacheDir(), Say: t.Logf}
	set, err := builder.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return Programs{Rootfs: set.Rootfs, Kubernetes: set.Kubernetes}
}
