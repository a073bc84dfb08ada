package kernel

import (
	"fmt"
	"net/netip"
	"syscall"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hawser/internal/host"
)

// Surroundings hints at changes of what a shared uplink follows: links,
// addresses, default routes and those that people and DHCP set, and neighbours
// that answer from another address than before. That a neighbour is still there,
// which a busy LAN says all day, is no change, and neither is a route of a routing
// daemon, which may have a million.
type Surroundings struct{ watcher *watcher }

// Listen subscribes, in the network namespace of the calling thread.
func Listen() (*Surroundings, error) {
	watcher, err := watch(neighbours{}.matters, unix.RTNLGRP_NEIGH)
	if err != nil {
		return nil, fmt.Errorf("subscribe to changes of links and neighbours: %w", err)
	}
	return &Surroundings{watcher: watcher}, nil
}

// Changed gives one hint for any number of changes.
func (s *Surroundings) Changed() <-chan struct{} { return s.watcher.hints }

// Close ends the subscription.
func (s *Surroundings) Close() { s.watcher.close() }

// neighbour is one, on one link.
type neighbour struct {
	link    int
	address netip.Addr
}

// neighbours are the MACs that neighbours answered from last. Only the goroutine
// that reads the socket touches it.
type neighbours map[neighbour]host.MAC

func (n neighbours) matters(message syscall.NetlinkMessage) bool {
	switch {
	case message.Header.Type == unix.RTM_NEWNEIGH, message.Header.Type == unix.RTM_DELNEIGH:
		return n.changed(message)
	case isRoute(message):
		return leadsOut(message.Data)
	}
	return true
}

// leadsOut tells of a route message whether it may change the host's next hops.
func leadsOut(route []byte) bool {
	if len(route) < unix.SizeofRtMsg {
		return false
	}
	if route[unsafe.Offsetof(unix.RtMsg{}.Dst_len)] == 0 {
		return true
	}
	switch route[unsafe.Offsetof(unix.RtMsg{}.Protocol)] {
	case unix.RTPROT_BOOT, unix.RTPROT_STATIC, unix.RTPROT_RA, unix.RTPROT_DHCP:
		return true
	}
	return false
}

func (n neighbours) changed(message syscall.NetlinkMessage) bool {
	entry, err := netlink.NeighDeserialize(message.Data)
	if err != nil {
		return false
	}
	address, ok := netip.AddrFromSlice(entry.IP)
	if !ok {
		return false // an entry of a bridge's table
	}
	key := neighbour{link: entry.LinkIndex, address: address.Unmap()}
	if message.Header.Type == unix.RTM_DELNEIGH {
		delete(n, key)
		return false
	}
	var mac host.MAC
	if len(entry.HardwareAddr) != len(mac) {
		return false // not resolved
	}
	copy(mac[:], entry.HardwareAddr)
	before, known := n[key]
	n[key] = mac
	return !known || before != mac
}
