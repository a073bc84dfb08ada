package netnstest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// Pings is a running stream of ICMP echo requests. It shows every packet that
// is lost, and how long the longest gap was.
type Pings struct {
	t        testing.TB
	name     string
	conn     net.PacketConn
	target   net.Addr
	id       int
	interval time.Duration
	stop     chan struct{}
	ended    sync.WaitGroup

	mu       sync.Mutex
	sent     []time.Time
	answered []bool
	refused  error // what the kernel said to the last ping that it did not send
}

// Loss is what a stream of pings saw.
type Loss struct {
	Sent, Lost int
	Gap        time.Duration // the longest time without an answer
	Holes      []Hole        // the losses, in the order of time
	Refused    error         // why a ping could not be sent, the last time; nil if all could
}

// Hole is a number of pings lost one after another, the first of them sent at a
// time.
type Hole struct {
	At   time.Time
	Lost int
}

// told is how many holes are told of: many say no more than that there are many.
const told = 8

func (l Loss) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%d of %d pings lost, longest gap %v", l.Lost, l.Sent, l.Gap.Round(time.Millisecond))
	for _, hole := range l.Holes[:min(told, len(l.Holes))] {
		fmt.Fprintf(&out, ", %d at %s", hole.Lost, hole.At.Format("15:04:05.000"))
	}
	if more := len(l.Holes) - told; more > 0 {
		fmt.Fprintf(&out, " and %d times more", more)
	}
	if l.Refused != nil {
		fmt.Fprintf(&out, "; not sent: %v", l.Refused)
	}
	return out.String()
}

var streams struct {
	sync.Mutex
	count int
}

// streamID differs between the streams of a process, which all get the answers
// of all.
func streamID() int {
	streams.Lock()
	defer streams.Unlock()
	streams.count++
	return (os.Getpid()<<6 + streams.count) & 0xffff
}

// PingFrom pings an IPv4 address from inside a network namespace, given by the
// path of its file; an empty path is the namespace of the process.
func PingFrom(t testing.TB, namespace, address string, interval time.Duration) *Pings {
	t.Helper()
	p := &Pings{t: t, name: address, target: &net.IPAddr{IP: net.ParseIP(address)}, id: streamID(), interval: interval, stop: make(chan struct{})}
	err := Within(namespace, func() (err error) { p.conn, err = net.ListenPacket("ip4:icmp", "0.0.0.0"); return err })
	if err == nil {
		err = roomy(p.conn.(*net.IPConn))
	}
	if err != nil {
		t.Fatalf("ping %s: %v", address, err)
	}
	p.ended.Add(2)
	go p.send()
	go p.receive()
	return p
}

// roomy gives a socket room for what arrives while its reader gets no time: on a
// busy machine a full buffer would look like packets lost on the way.
func roomy(conn *net.IPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	const room = 16 << 20
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, room) })
	return errors.Join(err, failed)
}

func (p *Pings) send() {
	defer p.ended.Done()
	tick := time.NewTicker(p.interval)
	defer tick.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-tick.C:
		}
		p.mu.Lock()
		number := len(p.sent)
		p.sent, p.answered = append(p.sent, time.Now()), append(p.answered, false)
		p.mu.Unlock()
		// The number stands in the data: that of the header has 16 bits only.
		body := &icmp.Echo{ID: p.id, Seq: number & 0xffff, Data: binary.BigEndian.AppendUint64(nil, uint64(number))}
		raw, err := (&icmp.Message{Type: ipv4.ICMPTypeEcho, Body: body}).Marshal(nil)
		if err == nil {
			_, err = p.conn.WriteTo(raw, p.target)
		}
		if err != nil { // it is lost
			p.mu.Lock()
			p.refused = err
			p.mu.Unlock()
		}
	}
}

func (p *Pings) receive() {
	defer p.ended.Done()
	buffer := make([]byte, 1500)
	for {
		n, _, err := p.conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		message, err := icmp.ParseMessage(1, buffer[:n])
		if err != nil || message.Type != ipv4.ICMPTypeEchoReply {
			continue
		}
		if echo, ok := message.Body.(*icmp.Echo); ok && echo.ID == p.id && len(echo.Data) == 8 {
			p.mu.Lock()
			p.answered[binary.BigEndian.Uint64(echo.Data)] = true
			p.mu.Unlock()
		}
	}
}

// Lost counts what is unanswered so far, the last second left out.
func (p *Pings) Lost() Loss {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count(time.Now().Add(-time.Second))
}

// End stops the stream, gives the last answers two seconds, and counts.
func (p *Pings) End() Loss {
	p.t.Helper()
	close(p.stop)
	time.Sleep(2 * time.Second)
	p.conn.Close()
	p.ended.Wait()
	loss := p.count(time.Now())
	if loss.Sent == 0 {
		p.t.Errorf("no ping was sent to %s", p.name)
	}
	return loss
}

func (p *Pings) count(until time.Time) (loss Loss) {
	if len(p.sent) == 0 {
		return loss
	}
	loss.Refused = p.refused
	last := p.sent[0]
	for number, at := range p.sent {
		if at.After(until) {
			break
		}
		loss.Sent++
		if !p.answered[number] {
			if number == 0 || p.answered[number-1] {
				loss.Holes = append(loss.Holes, Hole{At: at})
			}
			loss.Holes[len(loss.Holes)-1].Lost++
			loss.Lost++
			continue
		}
		loss.Gap = max(loss.Gap, at.Sub(last))
		last = at
	}
	if loss.Sent > 0 {
		loss.Gap = max(loss.Gap, p.sent[loss.Sent-1].Sub(last))
	}
	return loss
}
