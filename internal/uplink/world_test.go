package uplink

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hawser/internal/host"
	"hawser/test/netnstest"
)

// world is a rig with real hosts on all sides. A bridge stands for the physical
// switch, and another for Open vSwitch:
//
//	router ── switch ══ nic (host) ─ programs ─ pair ── bridge ── pod
type world struct {
	*rig
	router, pod *netnstest.Namespace
}

const (
	hostIP   = "192.0.2.1"
	podIP    = "192.0.2.3"
	latecome = "192.0.2.4"
	routerIP = "192.0.2.254"
)

func newWorld(t *testing.T, options Options) *world {
	t.Helper()
	w := &world{rig: newRig(t, options), router: netnstest.New(t), pod: netnstest.New(t)}
	w.wire.IP("link add switch type bridge")
	w.wire.IP("link set far master switch")
	w.wire.IP("link set switch up")
	w.wire.IP("link add port type veth peer name eth0 netns %s", w.router.Path())
	w.wire.IP("link set port master switch up")
	w.router.IP("link set eth0 up")
	w.router.IP("addr add %s/24 dev eth0", routerIP)
	netnstest.IP(t, "addr add %s/24 dev nic", hostIP)
	netnstest.IP(t, "route add default via %s", routerIP)
	netnstest.IP(t, "link add brp type bridge")
	netnstest.IP(t, "link set brp addrgenmode none up")
	w.plug(w.pod, "podnic", "brp", podIP)
	return w
}

// plug cables a namespace to a bridge of the host.
func (w *world) plug(ns *netnstest.Namespace, near, bridge, ip string) {
	w.t.Helper()
	ns.Cable(near, "eth0")
	netnstest.IP(w.t, "link set %s addrgenmode none master %s", near, bridge)
	ns.IP("addr add %s/24 dev eth0", ip)
}

// join does the plan with the tap in the pods' bridge.
func (w *world) join() {
	w.t.Helper()
	w.must(w.step(0))
	netnstest.IP(w.t, "link set %s master brp", w.uplink.Tap)
	w.do()
	w.must(w.client.Own(w.uplink, host.Station{MAC: macIn(w.t, w.pod)}))
}

func macIn(t *testing.T, ns *netnstest.Namespace) (mac host.MAC) {
	t.Helper()
	ns.Do(func() error {
		device, err := net.InterfaceByName("eth0")
		if err == nil {
			mac = host.MAC(device.HardwareAddr)
		}
		return err
	})
	return mac
}

// reach pings until the first answer, then wants all of twenty answered.
func (w *world) reach(name string, from *netnstest.Namespace, to string) {
	w.t.Helper()
	p := newPinger(w.t, from, to)
	if !p.first() {
		counters, err := w.client.Counters(w.uplink)
		neighbours, _ := exec.Command("ip", "neigh").CombinedOutput()
		w.t.Errorf("%s: no answer within ten seconds; the host's neighbours are\n%sthe programs counted %+v (%v)", name, neighbours, counters, err)
		return
	}
	for range 20 {
		p.send()
		time.Sleep(time.Millisecond)
	}
	if lost := p.lost(); lost != 0 {
		w.t.Errorf("%s: %d of 20 are lost", name, lost)
	}
}

// pinger sends echo requests and counts answers.
type pinger struct {
	t        *testing.T
	fd       int
	to       unix.Sockaddr
	sent     uint16
	before   uint16 // answers to these come too late to count
	answered map[uint16]bool
}

// newPinger opens a socket in a namespace; nil is the test's own.
func newPinger(t *testing.T, from *netnstest.Namespace, to string) *pinger {
	t.Helper()
	p := &pinger{t: t, to: &unix.SockaddrInet4{Addr: netip.MustParseAddr(to).As4()}, answered: map[uint16]bool{}}
	open := func() (err error) {
		p.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)
		return err
	}
	if from == nil {
		if err := open(); err != nil {
			t.Fatal(err)
		}
	} else {
		from.Do(open)
	}
	if err := unix.SetsockoptInt(p.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(p.fd) })
	return p
}

// send sends the next request. Its identifier is the socket's number, so that
// two pingers do not count each other's answers.
func (p *pinger) send() {
	p.sent++
	packet := []byte{8, 0, 0, 0}
	packet = binary.BigEndian.AppendUint16(packet, uint16(p.fd))
	packet = binary.BigEndian.AppendUint16(packet, p.sent)
	binary.BigEndian.PutUint16(packet[2:], checksum(packet))
	if err := unix.Sendto(p.fd, packet, 0, p.to); err != nil {
		p.t.Logf("ping %d: %v", p.sent, err)
	}
}

func checksum(packet []byte) uint16 {
	sum := uint32(0)
	for i := 0; i < len(packet); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(packet[i:]))
	}
	return ^uint16(sum + sum>>16)
}

// receive takes answers until the wanted number is there or time is up.
func (p *pinger) receive(want int, within time.Duration) {
	deadline := time.Now().Add(within)
	buffer := make([]byte, 2048)
	for len(p.answered) < want && time.Now().Before(deadline) {
		wait := []unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(wait, 100); err != nil {
			continue
		}
		n, _, err := unix.Recvfrom(p.fd, buffer, unix.MSG_DONTWAIT)
		if err != nil || n < 28 {
			continue
		}
		icmp := buffer[20:n]
		number := binary.BigEndian.Uint16(icmp[6:])
		if icmp[0] == 0 && binary.BigEndian.Uint16(icmp[4:]) == uint16(p.fd) && number > p.before {
			p.answered[number] = true
		}
	}
}

// first waits until somebody answers at all, and counts anew from there.
func (p *pinger) first() bool {
	for range 100 {
		p.send()
		if p.receive(1, 100*time.Millisecond); len(p.answered) > 0 {
			p.receive(int(p.sent), 200*time.Millisecond)
			p.before, p.sent, p.answered = 1000, 1000, map[uint16]bool{}
			return true
		}
	}
	return false
}

func (p *pinger) lost() int {
	sent := int(p.sent) - 1000
	p.receive(sent, 5*time.Second)
	return sent - len(p.answered)
}

// TestPingThroughAttachAndDetach: the host and its router ping each other every
// five milliseconds while the uplink is attached, used and detached, again and
// again; nothing is lost. A control shows that a loss would be seen. An old
// kernel has its qdisc before and after, for the reason in the package comment.
func TestPingThroughAttachAndDetach(t *testing.T) {
	for name, options := range hookings {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, options)
			if options.Legacy {
				run(t, "tc", "qdisc", "add", "dev", "nic", "clsact")
			}
			out, in := newPinger(t, nil, routerIP), newPinger(t, w.router, hostIP)
			if !out.first() || !in.first() {
				t.Fatal("host and router do not reach each other")
			}
			stop := steady(out, in)
			for range 10 {
				w.join()
				w.reach("pod to router", w.pod, routerIP)
				w.reach("router to pod", w.router, podIP)
				w.reach("host to pod", nil, podIP)
				w.undo()
				w.reach("host to router", nil, routerIP)
			}
			stop()
			if a, b := out.lost(), in.lost(); a+b != 0 {
				t.Errorf("lost are %d of %d to the router, %d of %d to the host", a, out.sent-1000, b, in.sent-1000)
			}
			t.Logf("%d and %d pings", out.sent-1000, in.sent-1000)
			w.wire.IP("link set far nomaster") // without a carrier they would wait for the neighbour
			for range 4 {
				out.send()
				time.Sleep(5 * time.Millisecond)
			}
			w.wire.IP("link set far master switch")
			if out.receive(int(out.sent)-1000, time.Second); len(out.answered) == int(out.sent)-1000 {
				t.Error("control: a cut of 20 ms was not seen")
			}
		})
	}
}

// steady sends every five milliseconds until it is stopped.
func steady(pingers ...*pinger) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				for _, p := range pingers {
					p.send()
				}
			}
		}
	}()
	return func() { close(done); <-ended }
}

// TestEverybodyReachesEverybody, with macvlans and a bridge made after the uplink
// was attached, and the agent dead since.
func TestEverybodyReachesEverybody(t *testing.T) {
	for name, options := range hookings {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, options)
			w.join()
			w.client.Close()
			w.reach("pod to router", w.pod, routerIP)
			w.reach("pod to host", w.pod, hostIP)
			w.reach("host to pod", nil, podIP)
			w.reach("host to router", nil, routerIP)
			w.reach("router to pod", w.router, podIP)
			w.reach("router to host", w.router, hostIP)
			w.lateMacvlan()
			w.lateBridge()
			client, err := Open(w.client.options)
			w.must(err)
			w.client = client
		})
	}
}

func (w *world) lateMacvlan() {
	w.t.Helper()
	guest := netnstest.New(w.t)
	netnstest.IP(w.t, "link add link nic name mv netns %s type macvlan mode bridge", guest.Path())
	guest.IP("addr add %s/24 dev mv", latecome)
	guest.IP("link set mv up")
	w.reach("pod to macvlan", w.pod, latecome)
	w.reach("router to macvlan", w.router, latecome)
	w.reach("macvlan to pod", guest, podIP)
	w.reach("macvlan to router", guest, routerIP)
	guest.IP("link del mv")
	w.forget()
}

// lateBridge moves the host's address to a bridge on the NIC, with a machine on it.
func (w *world) lateBridge() {
	t := w.t
	t.Helper()
	guest := netnstest.New(t)
	netnstest.IP(t, "link add br0 type bridge")
	netnstest.IP(t, "link set br0 up")
	w.plug(guest, "vm", "br0", latecome)
	netnstest.IP(t, "link set nic master br0")
	netnstest.IP(t, "addr del %s/24 dev nic", hostIP)
	netnstest.IP(t, "addr add %s/24 dev br0", hostIP)
	w.forget()
	w.reach("pod to machine", w.pod, latecome)
	w.reach("router to machine", w.router, latecome)
	w.reach("machine to pod", guest, podIP)
	w.reach("machine to router", guest, routerIP)
	w.reach("machine to host", guest, hostIP)
	w.reach("pod to host", w.pod, hostIP)
	w.reach("host to pod", nil, podIP)
	w.reach("host to router", nil, routerIP)
}

// forget has everybody ask anew who has an address.
func (w *world) forget() {
	w.t.Helper()
	netnstest.IP(w.t, "neigh flush all")
	w.pod.IP("neigh flush all")
	w.router.IP("neigh flush all")
}

// TestForgedRouterOnARealSwitch: a pod that says it was the router does not cut
// the host off, neither here nor at the switch. The control shows that it would.
func TestForgedRouterOnARealSwitch(t *testing.T) {
	w := newWorld(t, Options{})
	w.join()
	w.reach("host to router", nil, routerIP)
	mended, err := w.client.Follow(t.Context(), w.uplink)
	if err != nil || len(mended) != 0 {
		t.Fatalf("mended %v (%v)", mended, err)
	}
	router := macIn(t, w.router)
	forge := func() {
		var sender *packets
		w.pod.Do(func() error { sender = openPackets(t, "eth0"); return nil })
		for range 5 {
			sender.send(frame{from: router, to: everybody, kind: experimental, payload: make([]byte, 46)}.bytes())
		}
	}
	p := newPinger(t, nil, routerIP)
	if !p.first() {
		t.Fatal("no answer from the router")
	}
	for range 10 {
		forge()
		p.send()
	}
	if lost := p.lost(); lost != 0 {
		t.Errorf("%d of 10 are lost", lost)
	}
	if got := w.counters().Spoofed.Frames; got != 50 {
		t.Errorf("%d were counted as spoofed", got)
	}
	w.uplink.TrustPods = true
	w.plan = planOf(w.uplink)
	w.do()
	forge()
	p.send()
	if p.receive(11, 300*time.Millisecond); len(p.answered) == 11 {
		t.Error("control: with trustPods the switch was not misled")
	}
}

// TestBulk sends TCP through the uplink, with segments that the kernel puts
// together, and compares what arrives.
func TestBulk(t *testing.T) {
	for name, options := range hookings {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, options)
			w.join()
			for _, pair := range []struct {
				name     string
				from, to *netnstest.Namespace
				at       string
			}{{"pod to router", w.pod, w.router, routerIP}, {"router to pod", w.router, w.pod, podIP}, {"pod to host", w.pod, nil, hostIP}, {"host to pod", nil, w.pod, podIP}} {
				took := stream(t, pair.from, pair.to, pair.at, 64<<20)
				t.Logf("%s: %s", pair.name, fmt.Sprintf("%.1f Gb/s", 64*8/1024.0/took.Seconds()))
			}
		})
	}
}
