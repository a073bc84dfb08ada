package cniclient

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"hawser/internal/cniwire"
)

// settings make IPv6 usable and addresses ours alone in a pod. "default" is what
// the interfaces take that are made afterwards.
var settings = []struct{ key, value string }{
	{"all/disable_ipv6", "0"}, // some runtimes switch it off in new namespaces
	{"default/disable_ipv6", "0"},
	{"default/accept_ra", "0"},  // addresses and routes come from us
	{"default/accept_dad", "0"}, // and are unique by our own doing
}

// prepare writes the settings in a network namespace. It uses a thread of its
// own that ends with it, so that no other code ever runs in the namespace.
func prepare(netns string) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread dies with the goroutine
		done <- enterAndSet(netns)
	}()
	return <-done
}

func enterAndSet(netns string) error {
	file, err := os.Open(netns)
	if err != nil {
		return &cniwire.Error{Code: cniwire.CodeInvalidEnvironment, Message: "CNI_NETNS is not a network namespace", Details: err.Error()}
	}
	defer file.Close()
	if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("entering network namespace %s: %w", netns, err)
	}
	for _, s := range settings {
		err := os.WriteFile("/proc/sys/net/ipv6/conf/"+s.key, []byte(s.value), 0)
		if errors.Is(err, os.ErrNotExist) {
			return nil // a kernel without IPv6
		}
		if err != nil {
			return fmt.Errorf("preparing IPv6 in network namespace %s: %w", netns, err)
		}
	}
	return nil
}
