// Package lab makes the networks that a sandbox's machines stand in: network
// namespaces that are kept by a file, bridges and the cables between them.
//
// Nothing in here touches the namespace that the program was started in. Each
// call brings about what it names, whatever part of it was there before.
package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// EnsureNamespace makes a network namespace that lives as long as it is bound
// to the file at path.
func EnsureNamespace(path string) error {
	if IsNamespace(path) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o444)
	if err != nil {
		return err
	}
	file.Close()
	return onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make network namespace: %w", err)
		}
		if err := unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("keep network namespace at %s: %w", path, err)
		}
		return settle()
	})
}

// settle gives a new namespace what every machine has: a loopback that is up,
// and no addresses or routes that it picked up by itself.
func settle() error {
	for name, value := range map[string]string{
		"net/ipv6/conf/all/accept_ra": "0", "net/ipv6/conf/default/accept_ra": "0",
		// Present only where br_netfilter is: bridged frames stay out of iptables.
		"net/bridge/bridge-nf-call-iptables": "0", "net/bridge/bridge-nf-call-ip6tables": "0",
		"net/bridge/bridge-nf-call-arptables": "0",
	} {
		if err := writeSysctl(name, value); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func writeSysctl(name, value string) error {
	return os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0)
}

// SetSysctls writes settings of a namespace; names are paths below /proc/sys.
func SetSysctls(namespace string, settings map[string]string) error {
	return Do(namespace, func() error {
		for name, value := range settings {
			if err := writeSysctl(name, value); err != nil {
				return fmt.Errorf("set sysctl: %w", err)
			}
		}
		return nil
	})
}

// RemoveNamespace lets go of a namespace: the kernel destroys it, with its
// links, when no process is in it any more.
func RemoveNamespace(path string) error {
	for { // somebody may have bound it more than once
		err := unix.Unmount(path, unix.MNT_DETACH)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
			break
		}
		if err != nil {
			return fmt.Errorf("let go of network namespace %s: %w", path, err)
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// IsNamespace tells whether a namespace is kept at path.
func IsNamespace(path string) bool {
	var stat unix.Statfs_t
	return unix.Statfs(path, &stat) == nil && stat.Type == unix.NSFS_MAGIC
}

// Do runs work in a namespace. What work starts there, processes and sockets
// but not goroutines, stays there.
func Do(namespace string, work func() error) error {
	return onThread(func() error {
		if err := Enter(namespace); err != nil {
			return err
		}
		return work()
	})
}

// Enter moves the calling thread into a namespace. The caller has locked its
// goroutine to the thread.
func Enter(namespace string) error {
	file, err := os.Open(namespace)
	if err != nil {
		return fmt.Errorf("no such network: %w", err)
	}
	defer file.Close()
	if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter network namespace %s: %w", namespace, err)
	}
	return nil
}

// onThread runs work on a thread that nobody else uses meanwhile, and brings
// the thread back to the namespace that it came from. One that cannot be brought
// back stays locked, so that it ends with the goroutine.
func onThread(work func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		home, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			done <- err
			return
		}
		defer home.Close()
		err = work()
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}
