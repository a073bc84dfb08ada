package ovntest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// RootfsVariable names the environment variable that points at another root
// filesystem than the one hack/rootfs.sh makes, to try other versions of OVN.
const RootfsVariable = "OVNTEST_ROOTFS"

// installation is a tree with OVN's programs, which run through the tree's own
// loader: the machine need not have OVN, nor the same C library.
type installation struct {
	root, loader, libraries string
}

var find = sync.OnceValues(findInstallation)

// installed finds the programs, and builds their tree on the very first use.
func installed(t testing.TB) installation {
	t.Helper()
	in, err := find()
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func findInstallation() (installation, error) {
	root := os.Getenv(RootfsVariable)
	if root == "" {
		built, err := buildRootfs()
		if err != nil {
			return installation{}, err
		}
		root = built
	}
	loader, err := only(filepath.Join(root, "lib64", "ld-linux-*.so.*"))
	if err != nil {
		return installation{}, err
	}
	libraries, err := only(filepath.Join(root, "usr", "lib", "*-linux-gnu"))
	if err != nil {
		return installation{}, err
	}
	return installation{root: root, loader: loader, libraries: libraries}, nil
}

func only(pattern string) (string, error) {
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("no OVN here: %d files match %s; does %s point at a root filesystem?", len(found), pattern, RootfsVariable)
	}
	return found[0], nil
}

func buildRootfs() (string, error) {
	module, err := moduleRoot()
	if err != nil {
		return "", err
	}
	cmd := exec.Command(filepath.Join(module, "hack", "rootfs.sh"))
	var progress strings.Builder
	cmd.Stderr = &progress
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("hack/rootfs.sh: %w\n%s", err, progress.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// moduleRoot walks up from the folder of the package under test.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("not inside a Go module")
}

// Schema is the path of one of OVN's schemas, "ovn-nb" or "ovn-sb".
func Schema(t testing.TB, name string) string {
	return filepath.Join(installed(t).root, "usr", "share", "ovn", name+".ovsschema")
}

// command prepares one of the tree's programs, such as "usr/bin/ovn-trace". It
// dies with the test process, however that ends.
func (in installation) command(program string, args ...string) *exec.Cmd {
	args = append([]string{"--library-path", in.libraries, filepath.Join(in.root, program)}, args...)
	cmd := exec.Command(in.loader, args...)
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
