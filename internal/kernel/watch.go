package kernel

import (
	"errors"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"hawser/internal/host"
)

// watcher turns the kernel's notifications into hints. It keeps nothing of
// them: whoever takes a hint reads the state anew, so a lost notification
// (ENOBUFS) is just one more hint.
type watcher struct {
	socket  *nl.NetlinkSocket
	matters func(syscall.NetlinkMessage) bool
	hints   chan struct{}
	closed  atomic.Bool
}

// watch subscribes, in the network namespace of the calling thread, to links,
// addresses and routes, and to more groups where asked.
func watch(matters func(syscall.NetlinkMessage) bool, more ...uint) (*watcher, error) {
	groups := append(more, unix.RTNLGRP_LINK,
		unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE)
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE, groups...)
	if err != nil {
		return nil, err
	}
	w := &watcher{socket: socket, matters: matters, hints: make(chan struct{}, 1)}
	go w.run()
	return w, nil
}

func (w *watcher) close() {
	w.closed.Store(true)
	w.socket.Close()
}

// run reads until the socket is closed.
func (w *watcher) run() {
	for {
		messages, _, err := w.socket.Receive()
		switch {
		case w.closed.Load() || errors.Is(err, os.ErrClosed):
			return
		case err != nil || w.anyMatters(messages):
			w.hint()
		}
	}
}

// hint never blocks: a second hint before the first is taken adds nothing.
func (w *watcher) hint() {
	select {
	case w.hints <- struct{}{}:
	default:
	}
}

// anyMatters asks about each, because what matters may depend on what came.
func (w *watcher) anyMatters(messages []syscall.NetlinkMessage) bool {
	found := false
	for _, message := range messages {
		found = w.matters(message) || found
	}
	return found
}

// matters keeps routes of other protocols away: on a router that speaks BGP
// they change all day and mean nothing to us.
func matters(message syscall.NetlinkMessage) bool {
	if !isRoute(message) {
		return true
	}
	const protocol = unsafe.Offsetof(unix.RtMsg{}.Protocol)
	return len(message.Data) > int(protocol) && message.Data[protocol] == host.RouteProtocol
}

func isRoute(message syscall.NetlinkMessage) bool {
	return message.Header.Type == unix.RTM_NEWROUTE || message.Header.Type == unix.RTM_DELROUTE
}
