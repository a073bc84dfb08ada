package machine

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// hierarchy is one mounted cgroup tree: cgroup v1 has many, v2 has one, and a
// hybrid machine has both.
type hierarchy struct {
	mountpoint string
	// options are what mount(8) needs to mount it again: controllers, or name=.
	options []string
	unified bool
}

// hierarchies lists what this host has mounted, from mountinfo (proc(5)).
func hierarchies() ([]hierarchy, error) {
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var found []hierarchy
	add := func(h hierarchy) { // the same may be mounted in two places
		if !slices.ContainsFunc(found, func(f hierarchy) bool { return f.unified == h.unified && slices.Equal(f.options, h.options) }) {
			found = append(found, h)
		}
	}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		before, after, _ := strings.Cut(lines.Text(), " - ")
		place, kind := strings.Fields(before), strings.Fields(after)
		switch {
		case len(place) < 5 || len(kind) < 3:
		case kind[0] == "cgroup2":
			add(hierarchy{mountpoint: place[4], unified: true})
		case kind[0] == "cgroup":
			add(hierarchy{mountpoint: place[4], options: controllers(kind[2])})
		}
	}
	if len(found) == 0 {
		return nil, errors.New("no cgroup hierarchy is mounted: run 'mount -t cgroup2 cgroup2 /sys/fs/cgroup'")
	}
	return found, lines.Err()
}

// controllers picks a v1 hierarchy's identity out of its superblock options.
func controllers(options string) []string {
	var names []string
	for _, option := range strings.Split(options, ",") {
		switch option {
		case "rw", "ro", "xattr", "clone_children", "noprefix":
		default:
			if !strings.HasPrefix(option, "release_agent=") {
				names = append(names, option)
			}
		}
	}
	return names
}

// label is the directory that a hierarchy has below /sys/fs/cgroup by custom.
func (h hierarchy) label() string {
	return strings.TrimPrefix(strings.Join(h.options, ","), "name=")
}

// Group is the cgroup of a machine, or of all of them, in every hierarchy of
// the host. Its path is the same in all: hawser-sandbox/n1.
type Group string

func (g Group) paths() ([]string, error) {
	all, err := hierarchies()
	if err != nil {
		return nil, err
	}
	paths := make([]string, 0, len(all))
	for _, h := range all {
		paths = append(paths, filepath.Join(h.mountpoint, string(g)))
	}
	return paths, nil
}

// create makes the group in every hierarchy, with every controller.
func (g Group) create() error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	for _, h := range all {
		at := h.mountpoint
		for _, part := range strings.Split(string(g), "/") {
			if h.unified {
				if err := delegate(at); err != nil {
					return err
				}
			}
			at = filepath.Join(at, part)
			if err := os.Mkdir(at, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("make cgroup: %w", err)
			}
			if slices.Contains(h.options, "cpuset") {
				if err := inheritCPUs(at); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// kubeletControllers are those of v2 that kubelet and runc look for.
var kubeletControllers = []string{"cpuset", "cpu", "io", "memory", "hugetlb", "pids"}

// delegate hands the controllers of a v2 group to its children.
func delegate(group string) error {
	available, err := os.ReadFile(filepath.Join(group, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, controller := range strings.Fields(string(available)) {
		if !slices.Contains(kubeletControllers, controller) {
			continue
		}
		err := os.WriteFile(filepath.Join(group, "cgroup.subtree_control"), []byte("+"+controller), 0)
		if err != nil {
			return fmt.Errorf("hand cgroup controller %s to the children of %s: %w", controller, group, err)
		}
	}
	return nil
}

// inheritCPUs fills a new v1 cpuset, which takes no process while it is empty.
func inheritCPUs(group string) error {
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		content, err := os.ReadFile(filepath.Join(group, "..", name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(group, name), content, 0); err != nil {
			return fmt.Errorf("inherit %s: %w", name, err)
		}
	}
	return nil
}

// add moves a process into the group, in every hierarchy.
func (g Group) add(pid int) error {
	paths, err := g.paths()
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err := os.WriteFile(filepath.Join(path, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil {
			return fmt.Errorf("put process %d into cgroup: %w", pid, err)
		}
	}
	return nil
}

// Processes lists who is in the group or below it, by the host's numbers.
func (g Group) Processes() ([]int, error) {
	paths, err := g.paths()
	if err != nil {
		return nil, err
	}
	found := map[int]bool{}
	for _, path := range paths {
		for _, dir := range subtree(path) {
			content, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
			for _, field := range strings.Fields(string(content)) {
				if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
					found[pid] = true
				}
			}
		}
	}
	pids := make([]int, 0, len(found))
	for pid := range found {
		pids = append(pids, pid)
	}
	slices.Sort(pids)
	return pids, nil
}

// subtree lists a group and all below it, deepest first.
func subtree(path string) []string {
	var dirs []string
	_ = filepath.WalkDir(path, func(at string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, at)
		}
		return nil // a group may go while it is looked at
	})
	slices.Reverse(dirs)
	return dirs
}

// Destroy kills everything in the group and removes it. Whatever became of
// pid files, a process that the sandbox started is in here.
func (g Group) Destroy(within time.Duration) error {
	deadline := time.Now().Add(within)
	for {
		pids, err := g.Processes()
		if err != nil {
			return err
		}
		for _, pid := range pids {
			_ = unix.Kill(pid, unix.SIGKILL) // may be gone already
		}
		left, err := g.remove()
		if err != nil || left == "" {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("cgroup %s does not go: processes %v: look at 'ps -o pid,stat,wchan,args -p PID' (D: stuck in the kernel)", left, pids)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// remove takes the empty directories away and returns one that stayed.
func (g Group) remove() (string, error) {
	paths, err := g.paths()
	if err != nil {
		return "", err
	}
	left := ""
	for _, path := range paths {
		for _, dir := range subtree(path) {
			if err := unix.Rmdir(dir); err != nil && !errors.Is(err, unix.ENOENT) {
				left = dir
			}
		}
	}
	return left, nil
}
