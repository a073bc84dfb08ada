package loop

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// carrier tells when a NIC of interest appears, goes, or changes between having
// carrier and not. It keeps what it was last told, and nothing else.
type carrier struct {
	socket *nl.NetlinkSocket
	hints  chan struct{}
	closed atomic.Bool

	mu    sync.Mutex
	names map[string]bool // of interest
	flags map[string]uint32
}

// watchCarrier subscribes in the network namespace of the calling thread.
func watchCarrier() (*carrier, error) {
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK)
	if err != nil {
		return nil, err
	}
	c := &carrier{socket: socket, hints: make(chan struct{}, 1), flags: map[string]uint32{}}
	go c.run()
	return c, nil
}

func (c *carrier) close() {
	c.closed.Store(true)
	c.socket.Close()
}

// watch replaces the NICs of interest.
func (c *carrier) watch(names map[string]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.names = names
}

// run reads until the socket is closed. A lost notification (ENOBUFS) is a hint.
func (c *carrier) run() {
	for {
		messages, _, err := c.socket.Receive()
		switch {
		case c.closed.Load() || errors.Is(err, os.ErrClosed):
			return
		case err != nil || c.anyMatters(messages):
			hint(c.hints)
		}
	}
}

// anyMatters asks about each, because each is remembered.
func (c *carrier) anyMatters(messages []syscall.NetlinkMessage) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := false
	for _, message := range messages {
		found = c.matters(message) || found
	}
	return found
}

// matters is true the first time that a NIC is heard of too: it may be new.
func (c *carrier) matters(message syscall.NetlinkMessage) bool {
	name, flags := readLink(message)
	if !c.names[name] {
		return false
	}
	before, known := c.flags[name]
	c.flags[name] = flags
	return !known || before != flags
}

// readLink gives a link's name and those of its flags that carrier is about; a
// link that goes has none.
func readLink(message syscall.NetlinkMessage) (name string, flags uint32) {
	if len(message.Data) < unix.SizeofIfInfomsg {
		return "", 0
	}
	link := nl.DeserializeIfInfomsg(message.Data)
	if message.Header.Type == unix.RTM_NEWLINK {
		flags = link.Flags & (unix.IFF_UP | unix.IFF_RUNNING)
	}
	attributes, err := nl.ParseRouteAttr(message.Data[link.Len():])
	if err != nil {
		return "", 0
	}
	for _, attribute := range attributes {
		if attribute.Attr.Type == unix.IFLA_IFNAME {
			name = unix.ByteSliceToString(attribute.Value)
		}
	}
	return name, flags
}

// hint never blocks: a second one before the first is taken adds nothing.
func hint(hints chan struct{}) {
	select {
	case hints <- struct{}{}:
	default:
	}
}
