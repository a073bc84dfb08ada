package ovntest

import (
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"hawser/test/rootfs"
)

// installation is a tree with OVN's programs.
type installation struct{ rootfs.Tree }

// installed finds the programs, and builds their tree on the very first use.
func installed(t testing.TB) installation {
	t.Helper()
	tree, err := rootfs.Find()
	if err != nil {
		t.Fatal(err)
	}
	return installation{tree}
}

// Schema is the path of one of OVN's schemas, "ovn-nb" or "ovn-sb".
func Schema(t testing.TB, name string) string {
	return installed(t).Path("usr/share/ovn/" + name + ".ovsschema")
}

// command prepares one of the tree's programs, such as "usr/bin/ovn-trace". It
// dies with the test process, however that ends.
func (in installation) command(program string, args ...string) *exec.Cmd {
	return dying(in.Command(program, args...))
}

func dying(line []string) *exec.Cmd {
	cmd := exec.Command(line[0], line[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// run gives what a program that ends by itself printed.
func (in installation) run(t testing.TB, program string, args ...string) string {
	t.Helper()
	out, err := in.command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(program), strings.Join(args, " "), err, out)
	}
	return string(out)
}
