package main

import (
	"os"
	"path/filepath"
	"testing"

	"hawser/images/oci"
)

func TestKeepOnly(t *testing.T) {
	directory := t.TempDir()
	for _, name := range []string{"kube-ovn", "old"} {
		if err := os.WriteFile(filepath.Join(directory, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := keepOnly(directory, []string{"hawser/cmd/kube-ovn"}); err != nil {
		t.Fatal(err)
	}
	left, _ := os.ReadDir(directory)
	if len(left) != 1 || left[0].Name() != "kube-ovn" {
		t.Errorf("left %v", left)
	}
}

// An image is written when something of it changed, and only then.
func TestWriteSkipsWhatIsThere(t *testing.T) {
	base, layer := t.TempDir(), t.TempDir()
	program := filepath.Join(layer, "program")
	if err := os.WriteFile(program, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	image := part{oci.Image{Ref: "docker.io/hawser/test:dev", Architecture: "amd64", Layers: []string{base, layer}}, "key"}
	archive := filepath.Join(t.TempDir(), "image.tar")
	steps := []struct {
		name   string
		change func() error
		want   bool
	}{
		{"the first time", func() error { return nil }, true},
		{"again", func() error { return nil }, false},
		{"other content", func() error { return os.WriteFile(program, []byte("two"), 0o600) }, true},
		{"other mode", func() error { return os.Chmod(program, 0o755) }, true},
		{"other packages", func() error { image.baseKey = "another"; return nil }, true},
		{"other label", func() error { image.Labels = map[string]string{"a": "b"}; return nil }, true},
		{"archive removed", func() error { return os.Remove(archive) }, true},
		{"again", func() error { return nil }, false},
	}
	for _, step := range steps {
		if err := step.change(); err != nil {
			t.Fatal(err)
		}
		got, err := image.write(archive)
		if err != nil || got != step.want {
			t.Errorf("%s: written is %t, %v", step.name, got, err)
		}
	}
}

func TestOptionsRefuse(t *testing.T) {
	for name, o := range map[string]options{
		"image":        {names: []string{"ovs"}, architectures: []string{"amd64"}},
		"architecture": {names: []string{"ovn"}, architectures: []string{"riscv64"}},
	} {
		if err := o.validate(); err == nil {
			t.Errorf("unknown %s is taken", name)
		}
	}
}
