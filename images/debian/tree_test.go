package debian

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestKeyChangesWithEverythingThatDecidesTheContent(t *testing.T) {
	seen := map[string]bool{}
	for _, tree := range []Tree{
		{Architecture: "amd64", Packages: []string{"a"}},
		{Architecture: "arm64", Packages: []string{"a"}},
		{Architecture: "amd64", Packages: []string{"b"}},
		{Architecture: "amd64", Packages: []string{"a"}, Drop: []string{"x"}},
		{Architecture: "amd64", Packages: []string{"a"}, Links: map[string]string{"x": "y"}},
	} {
		if seen[tree.Key()] {
			t.Errorf("%+v has another tree's key", tree)
		}
		seen[tree.Key()] = true
	}
}

func TestBuildTakesWhatIsThere(t *testing.T) {
	cache := t.TempDir()
	tree := Tree{Architecture: "amd64", Packages: []string{"no-such-package"}}
	want := filepath.Join(cache, "image-base-"+tree.Key())
	if err := os.Mkdir(want, 0o755); err != nil {
		t.Fatal(err)
	}
	got, err := tree.Build(t.Context(), cache, io.Discard)
	if err != nil || got != want {
		t.Errorf("Build() = %s, %v; want %s", got, err, want)
	}
}

func TestPruneAndLink(t *testing.T) {
	root := t.TempDir()
	put(t, root+"/usr/share/doc/x/README", "")
	put(t, root+"/usr/bin/keep", "")
	put(t, root+"/usr/bin/drop-me", "")
	tree := Tree{Drop: []string{"usr/bin/drop-*"}, Links: map[string]string{"usr/sbin/daemon": "../lib/x/daemon"}}
	if err := tree.prune(root); err != nil {
		t.Fatal(err)
	}
	if err := tree.link(root); err != nil {
		t.Fatal(err)
	}
	if exists(root+"/usr/share/doc") || exists(root+"/usr/bin/drop-me") || !exists(root+"/usr/bin/keep") {
		t.Error("dropped the wrong files")
	}
	if target, _ := os.Readlink(root + "/var/run"); target != "/run" {
		t.Errorf("/var/run points to %q", target)
	}
	if target, _ := os.Readlink(root + "/usr/sbin/daemon"); target != "../lib/x/daemon" {
		t.Errorf("link points to %q", target)
	}
}

func TestBundleHoldsEveryCertificate(t *testing.T) {
	root := t.TempDir()
	put(t, root+"/usr/share/ca-certificates/mozilla/a.crt", "A\n")
	put(t, root+"/usr/share/ca-certificates/mozilla/b.crt", "B")
	if err := writeBundle(root); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(root + "/etc/ssl/certs/ca-certificates.crt"); string(got) != "A\nB\n" {
		t.Errorf("bundle is %q", got)
	}
	if err := writeBundle(t.TempDir()); err != nil {
		t.Errorf("a tree without the package: %v", err)
	}
}

func TestMissingLibraryIsNamed(t *testing.T) {
	shell, err := os.ReadFile("/bin/sh")
	if err != nil {
		t.Skip("this machine has no /bin/sh to look at")
	}
	root := t.TempDir()
	put(t, root+"/usr/bin/sh", string(shell))
	put(t, root+"/usr/bin/script", "#!/bin/sh")
	put(t, root+"/usr/bin/empty", "")
	err = CheckLibraries(root)
	if err == nil || !strings.Contains(err.Error(), "libc.so.6 is missing, needed by /usr/bin/sh") {
		t.Errorf("error is %v", err)
	}
	put(t, root+"/usr/lib/libc.so.6", "")
	if err := CheckLibraries(root); err != nil {
		t.Error(err)
	}
}
