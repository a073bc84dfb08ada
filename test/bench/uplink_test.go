package bench

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hawser/internal/host"
	"hawser/internal/steps"
	"hawser/internal/uplink"
	"hawser/test/netnstest"
	"hawser/test/ovntest"
	"hawser/test/traffic"
)

// uplinkLab is a host with two NICs on one wire, one shared with the host and one
// a plain port of its bridge.
//
//	router ── switch ══ nic ── programs ── pair ── br-lan ── pod "shared"
//	              └════ spare ─────────────────── br-spare ── pod "plain"
type uplinkLab struct {
	b                           *testing.B
	wire, router, shared, plain *netnstest.Namespace
	bridges                     bridges
	client                      *uplink.Client
	runner                      *steps.Runner
	uplink                      host.Uplink
	own                         string // file of the host's namespace
}

const (
	labHost   = "192.0.2.1"
	labShared = "192.0.2.3"
	labPlain  = "192.0.2.4"
	labRouter = "192.0.2.254"
)

// BenchmarkUplink compares a pod's way through a shared NIC with the way through
// one that is a plain port, empty and with 4,000 stations on either side, and
// counts what the host loses while the NIC is attached and detached. Linux bridges
// stand for those of Open vSwitch in the kernel, which this machine may not have.
func BenchmarkUplink(b *testing.B) {
	netnstest.Enter(b)
	benchUplink(b, linuxBridges{})
}

// BenchmarkUplinkUserspace is the same with bridges of Open vSwitch's userspace
// datapath, which do nothing but learn.
func BenchmarkUplinkUserspace(b *testing.B) {
	netnstest.Enter(b)
	db := ovntest.VSwitch(b)
	db.VSCtl("set", "Open_vSwitch", ".", "other_config:userspace-tso-enable=true")
	daemon := ovntest.VSwitchd(b, db, "")
	l := benchUplink(b, openVSwitch{db, daemon})
	plain, shared := l.paths()
	l.compareCPU("cpu-out", daemon.Process(), plain, shared)
	l.compareCPU("cpu-in", daemon.Process(), plain.Back(), shared.Back())
}

// compareCPU compares what a bit costs a process: that is what limits throughput
// where one thread forwards, and unlike throughput itself it is hardly another on
// a busy machine.
func (l *uplinkLab) compareCPU(name string, pid int, plain, shared traffic.Path) {
	l.b.Helper()
	const slice, turns = 500 * time.Millisecond, 15
	c, err := traffic.ByTurns(turns, plain, shared, func(p traffic.Path) (float64, error) {
		before := cpu(pid)
		rate, err := p.Throughput(slice)
		return (cpu(pid) - before).Seconds() / (rate * slice.Seconds() / 1e9), err
	})
	l.must(err)
	l.b.Logf("%s, seconds for a Gb, plain and shared: %v", name, c)
	l.b.ReportMetric(c.Ratio(), name+"-ratio")
}

func benchUplink(b *testing.B, on bridges) *uplinkLab {
	l := newUplinkLab(b, on)
	l.attachments(20)
	l.attach()
	l.must(l.client.Own(l.uplink, host.Station{MAC: l.macOf(l.shared)}))
	flooded := l.flooded()
	l.compare("")
	l.crowd()
	l.compare("-4000-macs")
	if by := l.flooded() - flooded; by > 100 { // those of the pods' first questions
		b.Errorf("%d frames were sent both ways because nobody knew their destination", by)
	}
	b.ReportMetric(0, "ns/op")
	return l
}

// bridges are those of the host.
type bridges interface {
	add(b *testing.B, bridge string)
	join(bridge, port string) error
	leave(port string) error
}

type linuxBridges struct{}

func (linuxBridges) add(b *testing.B, bridge string) {
	netnstest.IP(b, "link add %s type bridge", bridge)
	netnstest.IP(b, "link set %s up", bridge)
}

func (linuxBridges) join(bridge, port string) error {
	tap, err := netlink.LinkByName(port)
	if err != nil {
		return err
	}
	master, err := netlink.LinkByName(bridge)
	if err != nil {
		return err
	}
	return netlink.LinkSetMaster(tap, master)
}

// leave has nothing to do: the port goes with the pair.
func (linuxBridges) leave(string) error { return nil }

type openVSwitch struct {
	db     *ovntest.Database
	daemon *ovntest.Daemon
}

func (o openVSwitch) add(_ *testing.B, bridge string) {
	o.db.VSCtl("add-br", bridge, "--", "set", "Bridge", bridge, "datapath_type=netdev")
	o.daemon.Sync()
}

// join also keeps the kernel, which sees the frames of all ports too, from
// answering to them.
func (o openVSwitch) join(bridge, port string) error {
	if err := exec.Command("ip", "link", "set", port, "arp", "off").Run(); err != nil {
		return err
	}
	o.db.VSCtl("--may-exist", "add-port", bridge, port)
	o.daemon.Sync()
	return nil
}

func (o openVSwitch) leave(port string) error {
	o.db.VSCtl("--if-exists", "del-port", port)
	o.daemon.Sync()
	return nil
}

func newUplinkLab(b *testing.B, on bridges) *uplinkLab {
	l := &uplinkLab{b: b, bridges: on, wire: netnstest.New(b), router: netnstest.New(b), shared: netnstest.New(b), plain: netnstest.New(b)}
	l.own = fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid())
	l.wire.IP("link add switch type bridge")
	l.wire.IP("link set switch up")
	l.wire.IP("link add port type veth peer name eth0 netns %s", l.router.Path())
	l.wire.IP("link set port master switch up")
	l.router.IP("link set eth0 up")
	l.router.IP("address add %s/24 dev eth0", labRouter)
	l.stand("nic", "br-lan", l.shared, labShared)
	l.stand("spare", "br-spare", l.plain, labPlain)
	netnstest.IP(b, "address add %s/24 dev nic", labHost)
	netnstest.IP(b, "route add default via %s", labRouter)
	l.must(on.join("br-spare", "spare"))
	l.open()
	return l
}

// stand cables a NIC to the wire, and a pod to a bridge.
func (l *uplinkLab) stand(nic, bridge string, pod *netnstest.Namespace, address string) {
	l.b.Helper()
	l.wire.Cable(nic, nic)
	l.wire.IP("link set %s master switch", nic)
	l.bridges.add(l.b, bridge)
	pod.Cable("to-"+bridge, "eth0")
	l.must(l.bridges.join(bridge, "to-"+bridge))
	pod.IP("address add %s/24 dev eth0", address)
}

// open makes what the agent has: the edge and the journal.
func (l *uplinkLab) open() {
	l.b.Helper()
	pins := l.b.TempDir()
	l.must(unix.Mount("bpf", pins, "bpf", 0, ""))
	l.b.Cleanup(func() { l.must(unix.Unmount(pins, unix.MNT_DETACH)) })
	var err error
	l.client, err = uplink.Open(uplink.Options{Pins: pins + "/hawser"})
	l.must(err)
	l.b.Cleanup(l.client.Close)
	l.runner, err = steps.Open(l.b.TempDir(), "this boot", map[host.Action]steps.Edge{
		host.ActionPair: l.client, host.ActionJoin: bridging{l.bridges}, host.ActionLoad: l.client, host.ActionFilter: l.client, host.ActionPromisc: l.client,
	})
	l.must(err)
	tap, end := host.TapNames("lan", "nic")
	l.uplink = host.Uplink{Provider: "lan", NIC: "nic", Attachment: host.AttachShared, Bridge: host.BridgeOf("lan"), Tap: tap, Wire: end, MTU: 1500, Mark: host.UplinkMark}
	l.b.Cleanup(func() { l.must(l.runner.Settle(context.Background(), "lan", host.Plan{})) })
}

func (l *uplinkLab) must(err error) {
	l.b.Helper()
	if err != nil {
		l.b.Fatal(err)
	}
}

// bridging does host.ActionJoin.
type bridging struct{ bridges }

func (bridging) Before(context.Context, host.Step) (string, error) { return "", nil }

func (j bridging) Do(_ context.Context, step host.Step) error {
	return j.join(step.Uplink.Bridge, step.Uplink.Tap)
}

func (j bridging) Undo(_ context.Context, step host.Step) error { return j.leave(step.Uplink.Tap) }

// attach does the plan of a shared NIC, journal included.
func (l *uplinkLab) attach() time.Duration {
	l.b.Helper()
	var plan host.Plan
	for _, action := range []host.Action{host.ActionPair, host.ActionJoin, host.ActionLoad, host.ActionFilter, host.ActionPromisc} {
		plan.Steps = append(plan.Steps, host.Step{Action: action, Uplink: l.uplink})
	}
	begun := time.Now()
	l.must(l.runner.Settle(l.b.Context(), "lan", plan))
	return time.Since(begun)
}

func (l *uplinkLab) detach() time.Duration {
	l.b.Helper()
	begun := time.Now()
	l.must(l.runner.Settle(l.b.Context(), "lan", host.Plan{}))
	return time.Since(begun)
}

// attachments attaches and detaches the NIC again and again, while host and
// router ping each other.
func (l *uplinkLab) attachments(times int) {
	l.b.Helper()
	const interval = 5 * time.Millisecond
	pings := []*netnstest.Pings{
		netnstest.PingFrom(l.b, l.own, labRouter, interval), netnstest.PingFrom(l.b, l.router.Path(), labHost, interval),
	}
	var attached, detached []float64
	for range times {
		time.Sleep(100 * time.Millisecond)
		attached = append(attached, milliseconds(l.attach()))
		time.Sleep(100 * time.Millisecond)
		detached = append(detached, milliseconds(l.detach()))
	}
	time.Sleep(time.Second)
	traffic.Lost(l.b, pings...)
	l.b.ReportMetric(traffic.Median(attached), "attach-ms")
	l.b.ReportMetric(traffic.Median(detached), "detach-ms")
}

// compare measures both pods and the router, by turns.
func (l *uplinkLab) compare(suffix string) {
	l.b.Helper()
	plain, shared := l.paths()
	traffic.Report(l.b, suffix, 100*time.Millisecond, plain, shared)
}

// paths are those of both pods to the router.
func (l *uplinkLab) paths() (plain, shared traffic.Path) {
	router := traffic.End{NetNS: l.router.Path(), Address: labRouter}
	plain = traffic.Path{From: traffic.End{NetNS: l.plain.Path(), Address: labPlain}, To: router}
	shared = traffic.Path{From: traffic.End{NetNS: l.shared.Path(), Address: labShared}, To: router}
	return plain, shared
}

func (l *uplinkLab) flooded() uint64 {
	l.b.Helper()
	found, err := l.client.Counters(l.uplink)
	l.must(err)
	return found.Flooded.Frames
}

func (l *uplinkLab) macOf(pod *netnstest.Namespace) (mac host.MAC) {
	l.b.Helper()
	pod.Do(func() error {
		device, err := net.InterfaceByName("eth0")
		if err == nil {
			mac = host.MAC(device.HardwareAddr)
		}
		return err
	})
	return mac
}

const crowdSize = 4000

// stationMAC numbers stations of one side.
func stationMAC(side byte, i int) host.MAC { return host.MAC{2, side, 0, 0, byte(i >> 8), byte(i)} }

// crowd puts stations behind the bridge and on the wire, and sends to each of the
// latter from the pod.
func (l *uplinkLab) crowd() {
	l.b.Helper()
	want := host.Behind{Stations: []host.Station{{MAC: l.macOf(l.shared)}}}
	for i := range crowdSize {
		want.Stations = append(want.Stations, host.Station{MAC: stationMAC(0xaa, i)})
	}
	begun := time.Now()
	_, err := l.client.Keep(l.b.Context(), l.uplink, want)
	l.must(err)
	l.b.ReportMetric(milliseconds(time.Since(begun)), "own-4000-macs-ms")
	everybody, pod := host.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, l.macOf(l.shared)
	sendFrames(l.b, l.router, func(i int) (to, from host.MAC) { return everybody, stationMAC(0xee, i) })
	before := l.flooded()
	sendFrames(l.b, l.shared, func(i int) (to, from host.MAC) { return stationMAC(0xee, i), pod })
	l.b.ReportMetric(float64(l.flooded()-before), "flooded-of-4000")
}

// sendFrames sends a frame for each station.
func sendFrames(b *testing.B, from *netnstest.Namespace, addresses func(i int) (to, from host.MAC)) {
	b.Helper()
	from.Do(func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		device, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		at := &unix.SockaddrLinklayer{Ifindex: device.Index}
		for i := range crowdSize {
			frame := make([]byte, 60)
			to, source := addresses(i)
			copy(frame, to[:])
			copy(frame[6:], source[:])
			frame[12], frame[13] = 0x88, 0xb5 // EtherType for local experiments (IEEE 802)
			if err := unix.Sendto(fd, frame, 0, at); err != nil {
				return err
			}
		}
		return nil
	})
}
