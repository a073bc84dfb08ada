package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// netnsOf finds the network namespace of a running pod: the machine sees all
// processes of all nodes, and kubelet sets HOSTNAME to the pod's name.
func netnsOf(t testing.TB, pod string) string {
	t.Helper()
	processes, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, environ := range processes {
		text, err := os.ReadFile(environ)
		if err == nil && bytes.Contains(append([]byte{0}, text...), []byte("\x00HOSTNAME="+pod+"\x00")) {
			return filepath.Join(filepath.Dir(environ), "ns/net")
		}
	}
	t.Fatalf("no process of pod %s on this machine", pod)
	return ""
}

// within runs f on a thread inside a network namespace. Sockets that f opens
// stay in that namespace when it has returned.
func within(netns string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		file, err := os.Open(netns)
		if err != nil {
			done <- err
			return
		}
		defer file.Close()
		if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("enter %s: %w", netns, err)
			return
		}
		done <- f()
	}()
	return <-done
}

// loss is what a stream of pings saw.
type loss struct {
	Sent, Lost int
	Gap        time.Duration // longest time without an answer
}

func (l loss) String() string {
	return fmt.Sprintf("%d of %d pings lost, longest gap %v", l.Lost, l.Sent, l.Gap.Round(time.Millisecond))
}

// pings is a running stream of ICMP echo requests.
type pings struct {
	conn   *icmp.PacketConn
	target net.IP
	every  time.Duration
	stop   chan struct{}
	done   sync.WaitGroup
	mu     sync.Mutex
	sent   []time.Time
	answer map[uint64]bool
}

const pingInterval = 10 * time.Millisecond

// startPings pings an address from inside a network namespace, each 10 ms.
func startPings(t testing.TB, netns, address string) *pings {
	t.Helper()
	return startPingsEvery(t, netns, address, pingInterval)
}

func startPingsEvery(t testing.TB, netns, address string, every time.Duration) *pings {
	t.Helper()
	p := &pings{target: net.ParseIP(address), every: every, stop: make(chan struct{}), answer: map[uint64]bool{}}
	network, listen := "ip4:icmp", "0.0.0.0"
	if p.target.To4() == nil {
		network, listen = "ip6:ipv6-icmp", "::"
	}
	if err := within(netns, func() (err error) { p.conn, err = icmp.ListenPacket(network, listen); return err }); err != nil {
		t.Fatal(err)
	}
	p.done.Add(2)
	go p.send()
	go p.receive()
	return p
}

func (p *pings) send() {
	defer p.done.Done()
	tick := time.NewTicker(p.every)
	defer tick.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-tick.C:
		}
		p.mu.Lock()
		sequence := len(p.sent)
		p.sent = append(p.sent, time.Now())
		p.mu.Unlock()
		message := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: os.Getpid() & 0xffff, Seq: sequence & 0xffff, Data: binary.BigEndian.AppendUint64(nil, uint64(sequence))}}
		if p.target.To4() == nil {
			message.Type = ipv6.ICMPTypeEchoRequest
		}
		raw, _ := message.Marshal(nil)
		_, _ = p.conn.WriteTo(raw, &net.IPAddr{IP: p.target}) // a failed send is a lost ping
	}
}

func (p *pings) receive() {
	defer p.done.Done()
	buffer := make([]byte, 1500)
	protocol := 1
	if p.target.To4() == nil {
		protocol = 58
	}
	for {
		n, from, err := p.conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		if source, ok := from.(*net.IPAddr); !ok || !source.IP.Equal(p.target) {
			continue // the answer to another stream from this namespace
		}
		message, err := icmp.ParseMessage(protocol, buffer[:n])
		if err != nil || (message.Type != ipv4.ICMPTypeEchoReply && message.Type != ipv6.ICMPTypeEchoReply) {
			continue
		}
		// The number is in the data: the 16 bits of the header wrap after 11 minutes.
		if echo, ok := message.Body.(*icmp.Echo); ok && echo.ID == os.Getpid()&0xffff && len(echo.Data) == 8 {
			p.mu.Lock()
			p.answer[binary.BigEndian.Uint64(echo.Data)] = true
			p.mu.Unlock()
		}
	}
}

func (p *pings) sentSoFar() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.sent)
}

// end stops the stream, gives the last answers a second, and counts.
func (p *pings) end() loss {
	close(p.stop)
	time.Sleep(time.Second)
	p.conn.Close()
	p.done.Wait()
	result := loss{Sent: len(p.sent)}
	last := p.sent[0]
	for sequence, at := range p.sent {
		if !p.answer[uint64(sequence)] {
			result.Lost++
			continue
		}
		result.Gap = max(result.Gap, at.Sub(last))
		last = at
	}
	result.Gap = max(result.Gap, p.sent[len(p.sent)-1].Sub(last))
	return result
}

// stream is a TCP connection between two pods that carries a counted pattern,
// so that a byte lost, doubled or changed is seen.
type stream struct {
	cancel   context.CancelFunc
	received atomic.Int64
	failed   chan error
}

// startStream connects from one namespace to an address inside another.
func startStream(t testing.TB, fromNetns, toNetns, address string) *stream {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &stream{cancel: cancel, failed: make(chan error, 2)}
	var listener net.Listener
	if err := within(toNetns, func() (err error) { listener, err = net.Listen("tcp", net.JoinHostPort(address, "0")); return err }); err != nil {
		t.Fatal(err)
	}
	var client net.Conn
	dial := func() (err error) {
		client, err = net.DialTimeout("tcp", listener.Addr().String(), 5*time.Second)
		return err
	}
	if err := within(fromNetns, dial); err != nil {
		t.Fatal(err)
	}
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	go s.write(ctx, client)
	go s.read(server)
	return s
}

func (s *stream) write(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	tick := time.NewTicker(pingInterval)
	defer tick.Stop()
	var word [8]byte
	for n := uint64(0); ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		binary.BigEndian.PutUint64(word[:], n)
		if _, err := conn.Write(word[:]); err != nil {
			s.failed <- fmt.Errorf("TCP write: %w", err)
			return
		}
	}
}

func (s *stream) read(conn net.Conn) {
	defer conn.Close()
	var word [8]byte
	for want := uint64(0); ; want++ {
		if _, err := io.ReadFull(conn, word[:]); err != nil {
			if !errors.Is(err, io.EOF) {
				s.failed <- fmt.Errorf("TCP read: %w", err)
			}
			close(s.failed)
			return
		}
		if got := binary.BigEndian.Uint64(word[:]); got != want {
			s.failed <- fmt.Errorf("TCP stream: word %d holds %d", want, got)
		}
		s.received.Add(int64(len(word)))
	}
}

// end closes the stream and fails the test if a byte was wrong or missing.
func (s *stream) end(t testing.TB) {
	t.Helper()
	s.cancel()
	for err := range s.failed {
		t.Error(err)
	}
	if s.received.Load() == 0 {
		t.Error("TCP stream: nothing arrived")
	}
}

// underTraffic runs a disturbance while two pods ping each other both ways
// beside a TCP stream, from 3 s before to 5 s after, and returns the worse of
// both directions.
func underTraffic(t testing.TB, a, b, addressA, addressB string, disturb func()) loss {
	t.Helper()
	netnsA, netnsB := netnsOf(t, a), netnsOf(t, b)
	forth, back := startPings(t, netnsA, addressB), startPings(t, netnsB, addressA)
	tcp := startStream(t, netnsA, netnsB, addressB)
	time.Sleep(3 * time.Second)
	disturb()
	time.Sleep(5 * time.Second)
	first, second := forth.end(), back.end()
	tcp.end(t)
	t.Logf("%s→%s: %v; %s→%s: %v", a, b, first, b, a, second)
	if second.Lost > first.Lost {
		return second
	}
	return first
}

// cutCarrier is the control of every zero-loss test: the host's end of a pod's
// veth goes down for a moment, which must be seen as loss.
func cutCarrier(t testing.TB, node, pod string, duration time.Duration) {
	t.Helper()
	var peer int
	err := within(netnsOf(t, pod), func() error {
		link, err := netlink.LinkByName("eth0")
		if err == nil {
			peer = link.Attrs().ParentIndex
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf(`device=$(ip -o link | sed -n 's/^%d: \([^@:]*\).*/\1/p'); ip link set $device down; sleep %f; ip link set $device up`, peer, duration.Seconds())
	inNode(t, node, "sh", "-c", script)
}

// signalIn sends a signal to every process of a node whose command line holds
// the words, and tells how many there were. No shell stands between: its own
// command line would hold the words too.
func signalIn(t testing.TB, node, words string, signal syscall.Signal) int {
	t.Helper()
	out, err := run("", "exec", node, "--", "pkill", fmt.Sprintf("-%d", signal), "-c", "-f", words)
	var count int
	if _, scanned := fmt.Sscan(out, &count); scanned != nil {
		t.Fatalf("pkill on %s: %q %v", node, out, err)
	}
	return count
}
