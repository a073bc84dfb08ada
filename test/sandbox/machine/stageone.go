package machine

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// The names under which the first process runs; ps on the host shows them.
const (
	stageOne = "sandbox-boot"
	stageTwo = "sandbox-init"
)

// specPath is where stage 1 leaves the spec for stage 2.
const specPath = "/run/hawser/machine.json"

// Enter takes over the process, and does not return, when it was started as a
// machine's first process; main calls it before anything else.
func Enter() {
	switch os.Args[0] {
	case stageOne:
		enterStageOne()
	case stageTwo:
		os.Exit(runInit())
	}
}

// enterStageOne builds the machine's world and becomes stage 2. Namespaces of
// this kind belong to a thread, which is why it stays on one and why the next
// stage starts with exec: that leaves only this thread, with all it entered.
func enterStageOne() {
	runtime.LockOSThread()
	verdict := os.NewFile(4, "verdict")
	if err := stageOneWork(verdict); err != nil {
		fmt.Fprintln(verdict, err)
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func stageOneWork(verdict *os.File) error {
	unix.CloseOnExec(4)
	var spec Spec
	in := os.NewFile(3, "spec")
	if err := json.NewDecoder(in).Decode(&spec); err != nil {
		return fmt.Errorf("read spec: %w", err)
	}
	in.Close()
	// Only now are we in our cgroup, which becomes the root of the namespace.
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("enter cgroup namespace: %w", err)
	}
	if err := buildRoot(spec); err != nil {
		return err
	}
	if err := furnish(spec); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(spec.Name)); err != nil {
		return err
	}
	if _, err := verdict.WriteString("up"); err != nil {
		return err
	}
	environment := []string{"PATH=" + spec.Path, "HOME=/root", "LANG=C.UTF-8"}
	return unix.Exec("/proc/self/exe", []string{stageTwo, spec.Name}, environment)
}

// furnish writes the machine's files and what stage 2 reads.
func furnish(spec Spec) error {
	content, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	files := append([]File{{Path: specPath, Content: content, Mode: 0o600}}, spec.Files...)
	for _, file := range files {
		if err := writeFile(file); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(file File) error {
	if err := os.MkdirAll(parent(file.Path), 0o755); err != nil {
		return err
	}
	if err := os.RemoveAll(file.Path); err != nil { // it may be a link to nowhere
		return err
	}
	return os.WriteFile(file.Path, file.Content, os.FileMode(file.Mode))
}

func parent(path string) string { return path[:strings.LastIndexByte(path, '/')+1] }
