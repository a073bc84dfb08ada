package lantest

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"hawser/test/netnstest"
)

// Ear is a packet socket. It counts, and sends.
type Ear struct {
	t  testing.TB
	fd int
}

// room is for what arrives while nobody counts.
const room = 64 << 20

// Listen opens one on a device in a namespace, nil for the test's own.
func Listen(t testing.TB, in *netnstest.Namespace, device string) *Ear {
	t.Helper()
	e := &Ear{t: t}
	open := func() error { return e.open(device) }
	if in == nil {
		if err := open(); err != nil {
			t.Fatalf("listen on %s: %v", device, err)
		}
	} else {
		in.Do(open)
	}
	t.Cleanup(func() { unix.Close(e.fd) })
	return e
}

func (e *Ear) open(device string) error {
	on, err := net.InterfaceByName(device)
	if err != nil {
		return err
	}
	e.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.SetsockoptInt(e.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, room); err != nil {
		return err
	}
	const all = unix.ETH_P_ALL << 8 // in network order
	return unix.Bind(e.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: on.Index})
}

// Send sends a frame.
func (e *Ear) Send(frame []byte) {
	e.t.Helper()
	if err := unix.Send(e.fd, frame, 0); err != nil {
		e.t.Fatalf("send: %v", err)
	}
}

// Count takes what was heard since the last time, and counts what is wanted.
func (e *Ear) Count(wanted func(frame []byte) bool) (count int) {
	e.t.Helper()
	frame := make([]byte, 65536)
	for {
		n, _, err := unix.Recvfrom(e.fd, frame, 0)
		if err == unix.EINTR || err == unix.ENETDOWN { // the device was down for a while, and there is more
			continue
		}
		if err != nil {
			return count
		}
		if wanted(frame[:n]) {
			count++
		}
	}
}

// IsBPDU tells frames that no bridge passes on (IEEE 802.1Q, 8.6.3): spanning tree,
// LACP and the like.
func IsBPDU(frame []byte) bool {
	return len(frame) > 6 && [5]byte(frame) == [5]byte{0x01, 0x80, 0xc2, 0, 0} && frame[5] < 0x10
}
