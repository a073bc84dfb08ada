package cniclient

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// absence is how long an agent may be away without a call failing: long enough
// for the DaemonSet to replace its pod in an upgrade. A failed call would cost a
// whole pod sandbox and show up in the pod's events.
const absence = 15 * time.Second

// dial connects to the agent. Where nobody listens, it waits up to the given time
// for somebody to do so, woken by changes of the socket's folder.
func dial(ctx context.Context, socket string, wait time.Duration) (net.Conn, error) {
	conn, err := connect(ctx, socket)
	if !nobodyListens(err) || wait == 0 {
		return conn, err
	}
	changes, watching := watch(filepath.Dir(socket), wait)
	if watching != nil {
		return nil, errors.Join(err, watching)
	}
	defer changes.Close()
	for {
		// Asked again after the watch began, so that nothing is missed.
		if conn, err = connect(ctx, socket); !nobodyListens(err) {
			return conn, err
		}
		if _, over := changes.Read(make([]byte, 4096)); over != nil {
			return nil, err
		}
	}
}

func connect(ctx context.Context, socket string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "unix", socket)
}

func nobodyListens(err error) bool {
	return errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.ENOENT)
}

// watch gives a file that can be read each time something in a folder is made or
// changes its mode, which a new agent does last, until the time is over.
func watch(folder string, wait time.Duration) (*os.File, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("waiting for the agent's socket: %w", err)
	}
	changes := os.NewFile(uintptr(fd), "inotify")
	if _, err := unix.InotifyAddWatch(fd, folder, unix.IN_CREATE|unix.IN_ATTRIB|unix.IN_MOVED_TO); err != nil {
		changes.Close()
		return nil, fmt.Errorf("watching %s: %w", folder, err)
	}
	return changes, changes.SetReadDeadline(time.Now().Add(wait))
}
