package machine

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// devMounts give the machine a /dev of its own.
var devMounts = []mount{
	{"tmpfs", "/dev", "tmpfs", unix.MS_NOSUID, "mode=755"},
	{"devpts", "/dev/pts", "devpts", unix.MS_NOSUID | unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620"},
	{"tmpfs", "/dev/shm", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777"},
	{"mqueue", "/dev/mqueue", "mqueue", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
}

// devices are what containers, kubelet and Open vSwitch open; numbers are the
// kernel's (Documentation/admin-guide/devices.txt).
var devices = []struct {
	name         string
	major, minor uint32
	mode         uint32
}{
	{"null", 1, 3, 0o666}, {"zero", 1, 5, 0o666}, {"full", 1, 7, 0o666},
	{"random", 1, 8, 0o666}, {"urandom", 1, 9, 0o666}, {"kmsg", 1, 11, 0o644},
	{"tty", 5, 0, 0o666}, {"net/tun", 10, 200, 0o666}, {"fuse", 10, 229, 0o666},
}

var deviceLinks = map[string]string{
	"ptmx": "pts/ptmx", "fd": "/proc/self/fd",
	"stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
}

func makeDevices(root string) error {
	dev := filepath.Join(root, "dev")
	if err := os.Mkdir(dev+"/net", 0o755); err != nil {
		return err
	}
	for _, d := range devices {
		path := filepath.Join(dev, d.name)
		if err := unix.Mknod(path, unix.S_IFCHR|d.mode, int(unix.Mkdev(d.major, d.minor))); err != nil {
			return fmt.Errorf("make device %s: %w", d.name, err)
		}
		if err := os.Chmod(path, os.FileMode(d.mode)); err != nil {
			return err
		}
	}
	for link, target := range deviceLinks {
		if err := os.Symlink(target, filepath.Join(dev, link)); err != nil {
			return err
		}
	}
	return nil
}
