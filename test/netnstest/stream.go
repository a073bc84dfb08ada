package netnstest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Stream is a TCP connection that carries a counted pattern, so that a byte
// which is lost, doubled or changed is seen.
type Stream struct {
	t       testing.TB
	far     net.Conn
	stop    chan struct{}
	ended   sync.WaitGroup
	written uint64
	failed  [2]error // of the writer and of the reader
	read    uint64
}

// streamPause is between two words of eight bytes.
const streamPause = 10 * time.Millisecond

// StreamFrom connects from inside a network namespace to an address in another.
// Namespaces are given by the paths of their files; an empty path is that of the
// process.
func StreamFrom(t testing.TB, from, to, address string) *Stream {
	t.Helper()
	near, far, err := Connect(from, to, address)
	if err != nil {
		t.Fatal(err)
	}
	s := &Stream{t: t, far: far, stop: make(chan struct{})}
	s.ended.Add(2)
	go func() { defer s.ended.Done(); s.failed[0] = s.write(near) }()
	go func() { defer s.ended.Done(); s.failed[1] = s.receive() }()
	return s
}

// Connect opens a TCP connection from inside a network namespace to an address in
// another, each given by the path of its file and empty for that of the process,
// and gives both of its ends.
func Connect(from, to, address string) (near, far net.Conn, err error) {
	var listener net.Listener
	err = Within(to, func() (err error) { listener, err = net.Listen("tcp", net.JoinHostPort(address, "0")); return err })
	if err != nil {
		return nil, nil, fmt.Errorf("listen at %s: %w", address, err)
	}
	defer listener.Close()
	err = Within(from, func() (err error) {
		near, err = net.DialTimeout("tcp", listener.Addr().String(), time.Minute)
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	if far, err = listener.Accept(); err != nil {
		near.Close()
		return nil, nil, fmt.Errorf("take the connection at %s: %w", address, err)
	}
	return near, far, nil
}

func (s *Stream) write(conn net.Conn) error {
	defer conn.Close()
	tick := time.NewTicker(streamPause)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return nil
		case <-tick.C:
		}
		if err := binary.Write(conn, binary.BigEndian, s.written); err != nil {
			return fmt.Errorf("write word %d: %w", s.written, err)
		}
		s.written++
	}
}

func (s *Stream) receive() error {
	defer s.far.Close()
	for ; ; s.read++ {
		var word uint64
		if err := binary.Read(s.far, binary.BigEndian, &word); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read word %d: %w", s.read, err)
		}
		if word != s.read {
			return fmt.Errorf("word %d holds %d", s.read, word)
		}
	}
}

// End closes the connection, and fails the test if not all of it arrived as it
// was sent.
func (s *Stream) End() {
	s.t.Helper()
	close(s.stop)
	_ = s.far.SetReadDeadline(time.Now().Add(time.Minute)) // fails where the reader has closed it
	s.ended.Wait()
	if err := errors.Join(s.failed[:]...); err != nil || s.read != s.written || s.read == 0 {
		s.t.Errorf("TCP stream: %d words sent, %d received: %v", s.written, s.read, err)
	}
}
