package tools

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEntry: what is in the cache is complete, and is made once.
func TestEntry(t *testing.T) {
	b := Builder{Cache: t.TempDir()}
	broken := errors.New("broken")
	if _, err := b.entry("a", func(into string) error {
		_ = os.WriteFile(filepath.Join(into, "half"), nil, 0o644)
		return broken
	}); !errors.Is(err, broken) {
		t.Errorf("error: %v", err)
	}
	made := 0
	for range 2 {
		dir, err := b.entry("a", func(into string) error {
			made++
			return os.WriteFile(filepath.Join(into, "whole"), nil, 0o644)
		})
		if err != nil {
			t.Fatal(err)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 1 || entries[0].Name() != "whole" {
			t.Errorf("entries: %v", entries)
		}
	}
	if made != 1 {
		t.Errorf("made %d times", made)
	}
}

// TestModuleKey: every file of a module counts, and so does what is built.
func TestModuleKey(t *testing.T) {
	dir := t.TempDir()
	key := func(p program) string {
		k, err := moduleKey(dir, p)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	p := program{name: "x", pkg: "."}
	empty := key(p)
	if err := os.WriteFile(filepath.Join(dir, "go.sum"), []byte("a"), 0o644); err != nil {
		t.Fatal(err)
	}
	if key(p) == empty || key(p) == key(program{name: "x", pkg: ".", stamps: []string{"a.b=c"}}) {
		t.Error("different builds have one key")
	}
	if first := key(p); key(p) != first {
		t.Error("one build has two keys")
	}
}

func TestVersionFlags(t *testing.T) {
	flags := program{stamps: kubernetesStamps()}.flags()
	for _, want := range []string{"component-base/version.gitVersion=v1.37.0", "client-go/pkg/version.gitMinor=37"} {
		if !strings.Contains(flags, want) {
			t.Errorf("%s is not in %s", want, flags)
		}
	}
}

// TestPinnedVersions: what the images and programs say they are is what the
// modules build.
func TestPinnedVersions(t *testing.T) {
	for file, want := range map[string]string{
		"kubernetes/go.mod": "k8s.io/kubernetes " + kubernetesVersion,
		"helm/go.mod":       "helm.sh/helm/v3 " + helmVersion,
		"coredns/go.mod":    "github.com/coredns/coredns " + CoreDNSTag,
	} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(content), want) {
			t.Errorf("%s does not say %s", file, want)
		}
	}
}
