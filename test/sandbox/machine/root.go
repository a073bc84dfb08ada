package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// mount is one call of mount(2), below the new root.
type mount struct {
	source, target, kind string
	flags                uintptr
	data                 string
}

// buildRoot makes the machine's root file system and moves into it.
func buildRoot(spec Spec) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	root, err := overlay(spec)
	if err != nil {
		return err
	}
	groups, err := hierarchies() // as the host has them mounted
	if err != nil {
		return err
	}
	mounts := []mount{
		{"proc", "/proc", "proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
		{"sysfs", "/sys", "sysfs", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
		{"bpf", "/sys/fs/bpf", "bpf", 0, "mode=700"},
		{"tmpfs", "/run", "tmpfs", unix.MS_NOSUID, "mode=755"},
		{"tmpfs", "/tmp", "tmpfs", unix.MS_NOSUID, "mode=1777"},
	}
	mounts = append(mounts, groupMounts(groups)...)
	mounts = append(mounts, devMounts...)
	mounts = append(mounts, binds(spec)...)
	for _, m := range mounts {
		if err := m.do(root); err != nil {
			return err
		}
	}
	if err := makeDevices(root); err != nil {
		return err
	}
	if err := linkGroups(root, groups); err != nil {
		return err
	}
	if err := pivot(root); err != nil {
		return err
	}
	if err := leafGroup(groups); err != nil {
		return err
	}
	if err := guardSysctls(spec.Shadows); err != nil {
		return err
	}
	// Pods with mountPropagation: Bidirectional need a shared root.
	return unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "")
}

// overlay puts a tmpfs over the installed system: it must be another superblock
// than the lower layer's, and it forgets everything in a power cut.
func overlay(spec Spec) (string, error) {
	base := filepath.Join(spec.Dir, "root")
	if err := unix.Mount("tmpfs", base, "tmpfs", 0, "mode=755"); err != nil {
		return "", fmt.Errorf("mount tmpfs: %w", err)
	}
	upper, work, root := base+"/upper", base+"/work", base+"/root"
	for _, dir := range []string{upper, work, root} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return "", err
		}
	}
	options := "lowerdir=" + spec.Root + ",upperdir=" + upper + ",workdir=" + work
	if err := unix.Mount("overlay", root, "overlay", 0, options); err != nil {
		return "", fmt.Errorf("mount overlay of %s: %w", spec.Root, err)
	}
	return root, nil
}

func (m mount) do(root string) error {
	target := filepath.Join(root, m.target)
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(m.source, target, m.kind, m.flags, m.data); err != nil {
		return fmt.Errorf("mount %s on %s: %w", m.source, m.target, err)
	}
	readOnly := uintptr(unix.MS_BIND | unix.MS_RDONLY)
	if m.flags&readOnly == readOnly { // a bind takes its flags on a second call
		return unix.Mount("", target, "", unix.MS_REMOUNT|m.flags, "")
	}
	return nil
}

// groupMounts shows the host's hierarchies from the machine's own cgroup
// downwards; that is what the cgroup namespace does to a new mount.
func groupMounts(groups []hierarchy) []mount {
	var mounts []mount
	for _, h := range groups {
		switch {
		case h.unified && len(groups) == 1:
			return []mount{{"cgroup2", "/sys/fs/cgroup", "cgroup2", 0, ""}}
		case h.unified:
			mounts = append(mounts, mount{"cgroup2", "/sys/fs/cgroup/unified", "cgroup2", 0, ""})
		case strings.HasPrefix(h.options[0], "name="):
			mounts = append(mounts, mount{"cgroup", "/sys/fs/cgroup/" + h.label(), "cgroup", 0, "none," + h.options[0]})
		default:
			mounts = append(mounts, mount{"cgroup", "/sys/fs/cgroup/" + h.label(), "cgroup", 0, h.label()})
		}
	}
	return append([]mount{{"tmpfs", "/sys/fs/cgroup", "tmpfs", 0, "mode=755"}}, mounts...)
}

// linkGroups makes cpu → cpu,cpuacct for controllers that share a hierarchy.
func linkGroups(root string, groups []hierarchy) error {
	for _, h := range groups {
		if len(h.options) < 2 {
			continue
		}
		for _, controller := range h.options {
			if err := os.Symlink(h.label(), filepath.Join(root, "sys/fs/cgroup", controller)); err != nil {
				return err
			}
		}
	}
	return nil
}

// leafGroup moves us out of the v2 group's root, which must hold no process
// before its controllers can be handed to the pods' groups.
func leafGroup(groups []hierarchy) error {
	if len(groups) != 1 || !groups[0].unified {
		return nil
	}
	const leaf = "/sys/fs/cgroup/init"
	if err := os.Mkdir(leaf, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.WriteFile(leaf+"/cgroup.procs", []byte("1"), 0); err != nil {
		return fmt.Errorf("move into leaf cgroup: %w", err)
	}
	return delegate("/sys/fs/cgroup")
}

// binds are the machine's disks and tools.
func binds(spec Spec) []mount {
	var mounts []mount
	for at, name := range spec.Disks {
		mounts = append(mounts, mount{filepath.Join(spec.Dir, "disk", name), at, "", unix.MS_BIND, ""})
	}
	for at, source := range spec.Tools {
		mounts = append(mounts, mount{source, at, "", unix.MS_BIND | unix.MS_RDONLY, ""})
	}
	return mounts
}

// pivot makes root the root and lets go of the host's.
func pivot(root string) error {
	old := filepath.Join(root, ".old")
	if err := os.Mkdir(old, 0o700); err != nil {
		return err
	}
	if err := unix.PivotRoot(root, old); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return err
	}
	if err := unix.Unmount("/.old", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("let go of the host's root: %w", err)
	}
	return os.Remove("/.old")
}

// guardSysctls keeps the host's own settings from being written: /proc/sys is
// read-only but for net, which is the machine's own; shadows lie over what
// kubelet insists on.
func guardSysctls(shadows map[string]string) error {
	const sys, net = "/proc/sys", "/proc/sys/net"
	for _, m := range []mount{
		{sys, sys, "", unix.MS_BIND, ""},
		{net, net, "", unix.MS_BIND, ""},
		{"", sys, "", unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY, ""},
	} {
		if err := unix.Mount(m.source, m.target, "", m.flags, ""); err != nil {
			return fmt.Errorf("guard %s: %w", m.target, err)
		}
	}
	for name, content := range shadows {
		private := filepath.Join("/run/hawser/sysctl", name)
		if err := writeFile(File{Path: private, Content: []byte(content + "\n"), Mode: 0o644}); err != nil {
			return err
		}
		if err := unix.Mount(private, filepath.Join(sys, name), "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("shadow sysctl %s: %w", name, err)
		}
	}
	return nil
}
