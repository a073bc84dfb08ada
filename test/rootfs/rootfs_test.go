package rootfs

import (
	"os/exec"
	"strings"
	"testing"
)

// TestCommand: programs of the tree run on this machine.
func TestCommand(t *testing.T) {
	tree, err := Find()
	if err != nil {
		t.Fatal(err)
	}
	for program, words := range map[string]string{"usr/bin/etcd": "etcd Version", "usr/sbin/ovsdb-server": "Open vSwitch"} {
		command := tree.Command(program, "--version")
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil || !strings.Contains(string(out), words) {
			t.Errorf("%s: %v\n%s", program, err, out)
		}
	}
}

func TestNoTree(t *testing.T) {
	if _, err := Open(t.TempDir()); err == nil || !strings.Contains(err.Error(), Variable) {
		t.Error(err)
	}
}
