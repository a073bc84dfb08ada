// Package rootfs is the cached Debian root file system that the sandbox's nodes
// boot from, as a source of programs for tests: a real ovsdb-server, etcd or nft
// of the versions that nodes have, whatever the machine has. hack/rootfs.sh
// makes the tree; what is done with its programs is their users' affair.
package rootfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// Variable is the environment variable that points at another tree than the one
// hack/rootfs.sh makes: to try other versions, or on a machine that is a node.
const Variable = "OVNTEST_ROOTFS"

// Tree is a root file system whose programs run on this machine.
type Tree struct{ root, loader, libraries string }

// Open takes a root file system that is there.
func Open(root string) (Tree, error) {
	loader, err := only(filepath.Join(root, "lib64", "ld-linux-*.so.*"))
	if err != nil {
		return Tree{}, err
	}
	libraries, err := only(filepath.Join(root, "usr", "lib", "*-linux-gnu"))
	return Tree{root: root, loader: loader, libraries: libraries}, err
}

func only(pattern string) (string, error) {
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("%d files match %s: is it a root file system? See $%s", len(found), pattern, Variable)
	}
	return found[0], nil
}

// Build returns the path of the tree that a source tree describes, and makes it
// first if the cache does not have it, which takes a minute; progress is told.
func Build(ctx context.Context, source, cache string, progress io.Writer) (string, error) {
	command := exec.CommandContext(ctx, filepath.Join(source, "hack", "rootfs.sh"))
	command.Env = os.Environ()
	if cache != "" {
		command.Env = append(command.Env, "HAWSER_CACHE="+cache)
	}
	command.Stderr = progress
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("build root file system: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Find is the tree for tests, built where it is missing.
var Find = sync.OnceValues(func() (Tree, error) {
	if root := os.Getenv(Variable); root != "" {
		return Open(root)
	}
	source, err := Source()
	if err != nil {
		return Tree{}, err
	}
	var progress bytes.Buffer
	root, err := Build(context.Background(), source, "", &progress)
	if err != nil {
		return Tree{}, fmt.Errorf("%w\n%s", err, progress.String())
	}
	return Open(root)
})

// Source is the folder with go.mod: tests run in that of their package.
func Source() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("not inside the source tree")
}

// Path is where a file of the tree lies.
func (t Tree) Path(name string) string { return filepath.Join(t.root, name) }

// Command is the command line of one of the tree's programs, such as
// "usr/bin/etcd": by the tree's own loader and with its own libraries, since the
// machine may have another C library.
func (t Tree) Command(program string, args ...string) []string {
	return append([]string{t.loader, "--library-path", t.libraries, t.Path(program)}, args...)
}
