package traffic

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"hawser/test/netnstest"
)

// End is a pod or a host: its network namespace, given by the namespace's file
// and empty for that of the process, and the address that it has there.
type End struct{ NetNS, Address string }

// Path is the way of packets between two ends.
type Path struct{ From, To End }

// Back is the other direction.
func (p Path) Back() Path { return Path{From: p.To, To: p.From} }

// patience is how long an answer may take.
const patience = 10 * time.Second

// connect opens a TCP connection on a path.
func (p Path) connect() (from, to net.Conn, err error) {
	return netnstest.Connect(p.From.NetNS, p.To.NetNS, p.To.Address)
}

// chunk is how much is written or read at once.
const chunk = 256 << 10

// Throughput sends for a while and gives the bits per second that arrived.
func (p Path) Throughput(lasting time.Duration) (float64, error) {
	from, to, err := p.connect()
	if err != nil {
		return 0, err
	}
	defer to.Close()
	_ = to.SetReadDeadline(time.Now().Add(lasting + patience)) // fails for a closed connection only
	sent := make(chan error, 1)
	go func() { sent <- pour(from, lasting) }()
	begun, bytes, buffer := time.Now(), 0, make([]byte, chunk)
	for {
		n, err := to.Read(buffer)
		if bytes += n; err != nil {
			break // the end, or what pour will say
		}
	}
	took := time.Since(begun)
	if err := <-sent; err != nil {
		return 0, fmt.Errorf("send to %s: %w", p.To.Address, err)
	}
	return float64(bytes) * 8 / took.Seconds(), nil
}

// pour writes until the time is over, and closes.
func pour(into net.Conn, lasting time.Duration) error {
	defer into.Close()
	end := time.Now().Add(lasting)
	_ = into.SetWriteDeadline(end.Add(patience)) // fails for a closed connection only
	for water := make([]byte, chunk); time.Now().Before(end); {
		if _, err := into.Write(water); err != nil {
			return err
		}
	}
	return nil
}

// RoundTrip sends a byte to and fro for a while and gives the median time of a
// round trip, which a moment without a processor does not change.
func (p Path) RoundTrip(lasting time.Duration) (time.Duration, error) {
	from, to, err := p.connect()
	if err != nil {
		return 0, err
	}
	near, err := block(from)
	if err != nil {
		return 0, err
	}
	defer unix.Close(near)
	far, err := block(to)
	if err != nil {
		return 0, err
	}
	echoed := make(chan struct{})
	go func() {
		defer close(echoed)
		echo(far)
	}()
	trips, err := shuttle(near, lasting)
	_ = unix.Shutdown(near, unix.SHUT_RDWR)
	<-echoed
	if err != nil {
		return 0, fmt.Errorf("round trips to %s: %w", p.To.Address, err)
	}
	slices.Sort(trips)
	return trips[len(trips)/2], nil
}

// block takes a connection away from Go's poller: a thread that blocks in the
// kernel is woken sooner, and alike each time.
func block(conn net.Conn) (fd int, err error) {
	defer conn.Close()
	file, err := conn.(*net.TCPConn).File()
	if err != nil {
		return 0, err
	}
	defer file.Close()
	if fd, err = unix.Dup(int(file.Fd())); err != nil {
		return 0, err
	}
	limit := unix.NsecToTimeval(patience.Nanoseconds())
	return fd, errors.Join(unix.SetNonblock(fd, false), unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit))
}

// echo ends with the connection.
func echo(fd int) {
	defer unix.Close(fd)
	for one := make([]byte, 1); ; {
		if pass(fd, one, unix.Read) != nil || pass(fd, one, unix.Write) != nil {
			return
		}
	}
}

var errShort = errors.New("the connection ended")

func pass(fd int, one []byte, do func(int, []byte) (int, error)) error {
	for {
		n, err := do(fd, one)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err == nil && n != len(one) {
			return errShort
		}
		return err
	}
}

func shuttle(fd int, lasting time.Duration) (trips []time.Duration, err error) {
	one := make([]byte, 1)
	for end := time.Now().Add(lasting); len(trips) == 0 || time.Now().Before(end); {
		begun := time.Now()
		if err := errors.Join(pass(fd, one, unix.Write), pass(fd, one, unix.Read)); err != nil {
			return nil, err
		}
		trips = append(trips, time.Since(begun))
	}
	return trips, nil
}
