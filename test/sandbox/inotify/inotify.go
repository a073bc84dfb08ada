// Package inotify keeps the one limit of the host that machines of namespaces
// share: how many inotify instances all processes of root may have. The usual
// 128 do for one sandbox of a dozen nodes. Where they do not, kubelets could
// not start, so that the limit is raised for as long as sandboxes need it, and
// put back by the last of them that goes.
package inotify

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Limit is the kernel's and who counts on it.
type Limit struct {
	// limit is the kernel's file; processes is /proc.
	limit, processes string
	// users has a file for each sandbox that counts on the raised limit, and
	// "original". It forgets in a reboot, as the limit does.
	users string
}

// Host is this machine's limit.
var Host = Limit{"/proc/sys/fs/inotify/max_user_instances", "/proc", "/run/hawser-sandboxes"}

const (
	// perNode is what kubelet, kube-proxy, containerd and a few pods take,
	// controlPlaneShare what the control plane takes beside, with some to spare.
	perNode           = 12
	controlPlaneShare = 40
	original          = "original"
)

// Reserve makes room for a sandbox of so many nodes and says whether the host's
// limit had to be raised, and to what.
func (l Limit) Reserve(sandbox string, nodes int) (raised int, err error) {
	unlock, err := l.lock()
	if err != nil {
		return 0, err
	}
	defer unlock()
	limit, err := l.read()
	if err != nil {
		return 0, err
	}
	need := l.used() + nodes*perNode + controlPlaneShare
	_, err = os.Stat(filepath.Join(l.users, original))
	if need <= limit && errors.Is(err, fs.ErrNotExist) {
		return 0, nil // as it is, it does
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = os.WriteFile(filepath.Join(l.users, original), []byte(strconv.Itoa(limit)), 0o644)
	}
	if err != nil {
		return 0, err
	}
	if err := os.WriteFile(filepath.Join(l.users, sandbox), nil, 0o644); err != nil {
		return 0, err
	}
	if need <= limit {
		return 0, nil
	}
	raised = max(1024, 2*need)
	return raised, l.write(raised)
}

// Release puts the limit back when nobody else counts on it.
func (l Limit) Release(sandbox string) error {
	unlock, err := l.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := os.Remove(filepath.Join(l.users, sandbox)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	entries, err := os.ReadDir(l.users)
	if err != nil || len(entries) != 1 || entries[0].Name() != original {
		return err
	}
	content, err := os.ReadFile(filepath.Join(l.users, original))
	if err != nil {
		return err
	}
	limit, err := strconv.Atoi(string(content))
	if err != nil {
		return fmt.Errorf("%s/%s: %w", l.users, original, err)
	}
	if err := l.write(limit); err != nil {
		return err
	}
	return os.Remove(filepath.Join(l.users, original))
}

// lock is on the directory itself, which stays away while nobody needs it.
func (l Limit) lock() (func(), error) {
	for {
		if err := os.MkdirAll(l.users, 0o755); err != nil {
			return nil, err
		}
		dir, err := os.Open(l.users)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
			return nil, errors.Join(err, dir.Close())
		}
		if same(dir, l.users) {
			return func() {
				_ = os.Remove(l.users) // fails unless it is empty
				dir.Close()
			}, nil
		}
		dir.Close() // somebody removed it while we waited
	}
}

func (l Limit) read() (int, error) {
	content, err := os.ReadFile(l.limit)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(content)))
}

func (l Limit) write(limit int) error {
	if err := os.WriteFile(l.limit, []byte(strconv.Itoa(limit)), 0o644); err != nil {
		return fmt.Errorf("set the host's limit of inotify instances: %w: run 'sysctl fs.inotify.max_user_instances=%d'", err, limit)
	}
	return nil
}

// used counts the instances that processes have now.
func (l Limit) used() int {
	descriptors, _ := filepath.Glob(l.processes + "/[0-9]*/fd/*") // the pattern is good
	count := 0
	for _, descriptor := range descriptors {
		if target, _ := os.Readlink(descriptor); target == "anon_inode:inotify" {
			count++
		}
	}
	return count
}

func same(file *os.File, path string) bool {
	open, err := file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(open, there)
}
