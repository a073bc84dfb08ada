package main

import (
	"os"
	"path/filepath"
	"testing"
)

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestInstall(t *testing.T) {
	image, node := t.TempDir(), t.TempDir()
	put(t, image+"/kube-ovn", "new")
	put(t, image+"/cni/loopback", "ours")
	put(t, image+"/cni/portmap", "ours")
	put(t, node+"/kube-ovn", "old")
	put(t, node+"/portmap", "theirs")
	for range 2 {
		if err := install(image+"/kube-ovn", image+"/cni", node); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"kube-ovn": "new", "loopback": "ours", "portmap": "theirs"} {
			if have, _ := os.ReadFile(filepath.Join(node, name)); string(have) != want {
				t.Errorf("%s is %q, want %q", name, have, want)
			}
		}
		entries, _ := os.ReadDir(node)
		if len(entries) != 3 {
			t.Errorf("left behind: %v", entries)
		}
	}
	if info, _ := os.Stat(node + "/kube-ovn"); info.Mode().Perm() != 0o755 {
		t.Errorf("mode %v", info.Mode())
	}
	if err := install(image+"/none", image+"/cni", node); err == nil {
		t.Error("a plugin that is not there is no error")
	}
	if err := install(image+"/kube-ovn", image+"/none", node); err == nil {
		t.Error("a folder that is not there is no error")
	}
	if err := install(image+"/kube-ovn", image+"/cni", node+"/none"); err == nil {
		t.Error("a target that is not there is no error")
	}
}
