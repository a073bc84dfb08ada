package vrrp

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// longest is how long a stand-in speaks at most, whatever becomes of those who wanted
// it: a host whose daemon is gone must not seem to be there.
const longest = time.Minute

// StandIn is one, at work until it is closed.
type StandIn struct {
	fd, wake int           // the socket, and what its reader is woken by
	spoken   chan struct{} // a hint that somebody has spoken
	done     chan struct{}

	mu    sync.Mutex // over what follows
	end   time.Time
	known voices
	freed bool // the descriptors are somebody else's by now
}

// Listen makes a stand-in for what leaves by a NIC, which is given by its index: that
// stays, whatever its name. It needs CAP_NET_RAW.
func Listen(device int) (*StandIn, error) {
	s := &StandIn{spoken: make(chan struct{}, 1), done: make(chan struct{}), end: time.Now().Add(longest), known: voices{}}
	var err error
	// With protocol 0 it hears nothing until it is bound, with its filter in place.
	if s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return nil, fmt.Errorf("open a packet socket for VRRP: %w", err)
	}
	if s.wake, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		unix.Close(s.fd)
		return nil, fmt.Errorf("make an event for VRRP: %w", err)
	}
	program := filter()
	const all = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8 // in network order
	err = errors.Join(
		unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}),
		unix.Bind(s.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: device}),
	)
	if err != nil {
		s.free()
		return nil, fmt.Errorf("listen for VRRP: %w", err)
	}
	go s.run()
	return s, nil
}

// Heard waits until a daemon has spoken, at most as long as given.
func (s *StandIn) Heard(within time.Duration) {
	s.await(within, func() bool { return len(s.known) > 0 })
}

// Relieved waits until every daemon that was heard has spoken by itself from now on, or
// another router in its place, at most as long as given.
func (s *StandIn) Relieved(within time.Duration) {
	now := time.Now()
	s.await(within, func() bool { return s.known.since(now) })
}

// await waits until it is so; who asks has the lock.
func (s *StandIn) await(within time.Duration, so func() bool) {
	deadline := time.After(within)
	for {
		s.mu.Lock()
		is := so()
		s.mu.Unlock()
		if is {
			return
		}
		select {
		case <-s.spoken:
		case <-s.done:
			return
		case <-deadline:
			return
		}
	}
}

// Close ends it.
func (s *StandIn) Close() {
	s.mu.Lock()
	s.end = time.Time{}
	if !s.freed {
		_, _ = unix.Write(s.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}
	s.mu.Unlock()
	<-s.done
}

// run reads the socket and sends what is missing, until the end.
func (s *StandIn) run() {
	defer close(s.done)
	defer s.free()
	for {
		pause, more := s.pause()
		if !more {
			return
		}
		events := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}, {Fd: int32(s.wake), Events: unix.POLLIN}}
		_, _ = unix.Poll(events, int(pause.Milliseconds())+1)
		s.listen()
		s.speak()
	}
}

// pause is how long there is nothing to say; there is no more at the end.
func (s *StandIn) pause() (pause time.Duration, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := time.Until(s.end)
	return s.known.wait(time.Now(), left), left > 0
}

func (s *StandIn) speak() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, frame := range s.known.missing(time.Now()) {
		_ = unix.Send(s.fd, frame, 0) // a NIC without carrier; the next one may arrive
	}
}

// listen empties the socket. What this socket sends it does not hear.
func (s *StandIn) listen() {
	frame := make([]byte, 1<<11)
	for {
		n, from, err := unix.Recvfrom(s.fd, frame, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return
		}
		if a, ok := read(frame[:n]); ok {
			link, is := from.(*unix.SockaddrLinklayer)
			s.note(a, is && link.Pkttype == unix.PACKET_OUTGOING)
		}
	}
}

func (s *StandIn) note(a advert, own bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if own {
		s.known.said(a, time.Now())
	} else {
		s.known.heard(a)
	}
	select {
	case s.spoken <- struct{}{}:
	default:
	}
}

func (s *StandIn) free() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.freed = true
	unix.Close(s.fd)
	unix.Close(s.wake)
}

// filter lets through untagged IP of the protocol. On a NIC that is busy it is all
// that a frame costs.
func filter() []unix.SockFilter {
	const (
		loadHalf = unix.BPF_LD | unix.BPF_H | unix.BPF_ABS
		loadByte = unix.BPF_LD | unix.BPF_B | unix.BPF_ABS
		ifEqual  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		end      = unix.BPF_RET | unix.BPF_K
	)
	return []unix.SockFilter{
		{Code: loadHalf, K: etherType},
		{Code: ifEqual, Jf: 2, K: unix.ETH_P_IP},
		{Code: loadByte, K: ipv4Protocol},
		{Code: ifEqual, Jt: 3, Jf: 4, K: protocol},
		{Code: ifEqual, Jf: 3, K: unix.ETH_P_IPV6},
		{Code: loadByte, K: ipv6NextHeader},
		{Code: ifEqual, Jf: 1, K: protocol},
		{Code: end, K: 1 << 11},
		{Code: end, K: 0},
	}
}
