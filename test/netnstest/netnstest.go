// Package netnstest gives tests throw-away network namespaces, so that the
// edges to the kernel are tested on a real one and nothing ever reaches the
// machine's own network.
package netnstest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"hawser/test/rootfs"
)

// Enter moves the test, for the rest of its life, into a fresh network
// namespace with nothing but an lo that is up. The thread is never unlocked:
// it ends with the test, and the namespace with it.
func Enter(t testing.TB) {
	t.Helper()
	needRoot(t)
	runtime.LockOSThread()
	namespace, err := netns.New()
	must(t, err, "make a network namespace")
	t.Cleanup(func() { namespace.Close() })
	must(t, setLoopbackUp(), "set lo up")
}

// Namespace is another network namespace than the test's own: a neighbour to
// talk to.
type Namespace struct {
	t      testing.TB
	handle netns.NsHandle
}

// New makes a namespace that lives as long as the test.
func New(t testing.TB) *Namespace {
	t.Helper()
	needRoot(t)
	made := make(chan Namespace)
	go func() {
		runtime.LockOSThread()
		handle, err := netns.New()
		if err == nil {
			err = setLoopbackUp()
		}
		if err != nil {
			t.Errorf("make a network namespace: %v", err)
		}
		made <- Namespace{t: t, handle: handle}
	}()
	ns := <-made
	t.Cleanup(func() { ns.handle.Close() })
	return &ns
}

// Do runs f with the calling thread in the namespace. Sockets that f opens stay
// there. f must not call t.Fatal.
func (n *Namespace) Do(f func() error) {
	n.t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := netns.Set(n.handle)
		if err == nil {
			err = f()
		}
		done <- err
	}()
	must(n.t, <-done, "in the other namespace")
}

// Cable lays a veth pair from the test's namespace to another: near is the end
// here, far the one there. Both are up.
func (n *Namespace) Cable(near, far string) {
	n.t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = near
	pair := &netlink.Veth{LinkAttrs: attrs, PeerName: far, PeerNamespace: netlink.NsFd(n.handle)}
	must(n.t, netlink.LinkAdd(pair), "add veth %s", near)
	must(n.t, netlink.LinkSetUp(pair), "set %s up", near)
	n.IP("link set %s up", far)
}

// IP runs iproute2 in the namespace.
func (n *Namespace) IP(format string, args ...any) {
	n.t.Helper()
	n.Do(func() error { return run("ip", strings.Fields(fmt.Sprintf(format, args...))...) })
}

// IP runs iproute2 in the test's own namespace.
func IP(t testing.TB, format string, args ...any) {
	t.Helper()
	must(t, run("ip", strings.Fields(fmt.Sprintf(format, args...))...), "run ip")
}

// Needs makes a device with iproute2 in the test's own namespace, or skips the test
// where this kernel has none of its kind; that of test/vm has all.
func Needs(t testing.TB, format string, args ...any) {
	t.Helper()
	words := strings.Fields(fmt.Sprintf(format, args...))
	err := run("ip", words...)
	if err != nil && strings.Contains(err.Error(), "Unknown device type") {
		t.Skipf("this kernel cannot 'ip %s'; test/vm runs this test on one that can", strings.Join(words, " "))
	}
	must(t, err, "run ip")
}

// NFT puts the node image's own nft program first in the PATH of the test, so
// that tests use the version that nodes do and need none on the machine.
func NFT(t testing.TB) {
	t.Helper()
	needRoot(t)
	tree, err := rootfs.Find()
	must(t, err, "find the root filesystem of nodes")
	script := "#!/bin/sh\nexec " + strings.Join(tree.Command("usr/sbin/nft"), " ") + " \"$@\"\n"
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "nft"), []byte(script), 0o755), "write nft")
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// Within runs f on a thread of its own inside a network namespace, given by the
// path of its file; an empty path is the process's own. Sockets that f opens
// stay in that namespace when it has returned.
func Within(namespace string, f func() error) error {
	if namespace == "" {
		return f()
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		handle, err := netns.GetFromPath(namespace)
		if err != nil {
			done <- err
			return
		}
		defer handle.Close()
		if err := netns.Set(handle); err != nil {
			done <- fmt.Errorf("enter %s: %w", namespace, err)
			return
		}
		done <- f()
	}()
	return <-done
}

func setLoopbackUp() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(lo)
}

func run(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
}

func must(t testing.TB, err error, format string, args ...any) {
	t.Helper()
	if err != nil {
		t.Fatalf(format+": %v", append(args, err)...)
	}
}
