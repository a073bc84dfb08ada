package uplink

import (
	"context"
	"encoding/binary"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"hawser/internal/host"
	"hawser/test/netnstest"
)

// The rig is a host with a NIC, whose other end is in a namespace of its own:
//
//	far ══ nic ─ programs ─ hww… ══ hwo…
//	        └── host0, a macvlan that takes all that the host gets
//
// Frames are sent and seen with packet sockets on far (the wire), host0 (the
// host) and the pair's end in the bridge (Open vSwitch).
type rig struct {
	t      *testing.T
	client *Client
	uplink host.Uplink
	plan   []host.Step
	wire   *netnstest.Namespace
	ports  map[port]*packets
	id     uint32
}

// port is a port of the switch.
type port string

const (
	wire port = "wire"
	node port = "host"
	ovs  port = "OVS"
)

// hookings are the kinds of hooks that everything is tried with.
var hookings = map[string]Options{"tcx": {}, "clsact": {Legacy: true}}

// forEachHook runs a test in the way of new kernels and in that of old ones.
func forEachHook(t *testing.T, test func(*testing.T, *rig)) {
	for name, options := range hookings {
		t.Run(name, func(t *testing.T) { test(t, newRig(t, options)) })
	}
}

func newRig(t *testing.T, options Options) *rig {
	t.Helper()
	pinToOneCPU(t)
	netnstest.Enter(t)
	far := netnstest.New(t)
	far.Cable("nic", "far")
	// An address that comes by itself, and is tentative first, is in no comparison.
	netnstest.IP(t, "link set nic addrgenmode none")
	netnstest.IP(t, "addr flush dev nic")
	options.Pins = bpffs(t) + "/hawser"
	client, err := Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	if err := client.Supported(); err != nil {
		t.Fatalf("THIS MACHINE'S KERNEL REFUSES eBPF, so that nothing of the shared uplink is tested: %v", err)
	}
	r := &rig{t: t, client: client, wire: far, uplink: uplinkOf("lan", "nic")}
	r.plan = planOf(r.uplink)
	// What was attached goes before the BPF filesystem does.
	t.Cleanup(func() { r.undo() })
	return r
}

func uplinkOf(provider, nic string) host.Uplink {
	up := host.SharedUplink(provider, nic)
	up.MTU, up.Mark = 1500, host.UplinkMark
	return up
}

func planOf(u host.Uplink) []host.Step {
	var plan []host.Step
	for _, action := range []host.Action{host.ActionPair, host.ActionLoad, host.ActionFilter, host.ActionPromisc} {
		plan = append(plan, host.Step{Action: action, Uplink: u})
	}
	return plan
}

// bpffs mounts a BPF filesystem for one test.
func bpffs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("bpf", dir, "bpf", 0, ""); err != nil {
		t.Fatalf("THIS MACHINE MOUNTS NO BPF FILESYSTEM, so that nothing of the shared uplink is tested: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return dir
}

// pinToOneCPU keeps frames in the order of sending: each CPU has a queue.
func pinToOneCPU(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
	for cpu := range 1024 {
		if set.IsSet(cpu) {
			set.Zero()
			set.Set(cpu)
			break
		}
	}
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
}

// do does the steps of the plan, as package steps does: Before is asked once.
func (r *rig) do() {
	r.t.Helper()
	for i := range r.plan {
		r.must(r.step(i))
	}
}

func (r *rig) step(i int) error {
	if r.plan[i].Before == "" {
		before, err := r.client.Before(r.t.Context(), r.plan[i])
		if err != nil {
			return err
		}
		r.plan[i].Before = before
	}
	return r.client.Do(r.t.Context(), r.plan[i])
}

// undo is used in cleanups too, when the test's context is over.
func (r *rig) undo() {
	r.t.Helper()
	for _, step := range slices.Backward(r.plan) {
		if err := r.client.Undo(context.Background(), step); err != nil {
			r.t.Errorf("undo %s: %v", step.Action, err)
		}
	}
	for i := range r.plan {
		r.plan[i].Before = ""
	}
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// listen attaches the uplink and opens the packet sockets.
func (r *rig) listen() {
	r.t.Helper()
	netnstest.IP(r.t, "link add host0 link %s type macvlan mode passthru nopromisc", r.uplink.NIC)
	netnstest.IP(r.t, "link set host0 promisc on allmulticast on arp off up")
	r.do()
	r.ports = map[port]*packets{node: openPackets(r.t, "host0"), ovs: openPackets(r.t, r.uplink.Tap)}
	r.wire.Do(func() error {
		r.ports[wire] = openPackets(r.t, "far")
		return nil
	})
}

func (r *rig) counters() host.UplinkCounters {
	r.t.Helper()
	found, err := r.client.Counters(r.uplink)
	r.must(err)
	return found
}

// frame is an Ethernet frame that is being made.
type frame struct {
	to, from host.MAC
	vlan     int
	kind     uint16
	payload  []byte
}

// experimental is an EtherType for local experiments (IEEE 802).
const experimental = 0x88b5

func (f frame) bytes() []byte {
	out := append(f.to[:], f.from[:]...)
	out = slices.Clone(out)
	if f.vlan != 0 {
		out = binary.BigEndian.AppendUint16(out, unix.ETH_P_8021Q)
		out = binary.BigEndian.AppendUint16(out, uint16(f.vlan))
	}
	out = binary.BigEndian.AppendUint16(out, f.kind)
	return append(out, f.payload...)
}

var (
	everybody = host.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	barriers  = map[port]host.MAC{wire: {2, 0xbb, 0, 0, 0, 1}, node: {2, 0xbb, 0, 0, 0, 2}, ovs: {2, 0xbb, 0, 0, 0, 3}}
)

// mac makes an address that says which test's it is.
func mac(n byte) host.MAC { return host.MAC{0x02, 0xaa, 0, 0, 0, n} }

// send sends a frame from a port and tells at which others it arrived: those
// that have it before a broadcast which is sent after it.
func (r *rig) send(from port, f frame) string {
	r.t.Helper()
	r.id++
	mark := binary.BigEndian.AppendUint32([]byte("hawser"), r.id)
	if f.kind == 0 {
		f.kind = experimental
	}
	f.payload = append(slices.Clone(f.payload), mark...)
	fence := frame{to: everybody, from: barriers[from], vlan: f.vlan, kind: experimental, payload: append([]byte("fence"), mark...)}
	r.ports[from].send(f.bytes())
	r.ports[from].send(fence.bytes())
	var at []string
	for _, other := range []port{wire, node, ovs} {
		if other != from && r.ports[other].got(f.payload, fence.payload) {
			at = append(at, string(other))
		}
	}
	return strings.Join(at, " ")
}

// want sends a frame and compares where it arrived.
func (r *rig) want(arrives string, from port, f frame) {
	r.t.Helper()
	if got := r.send(from, f); got != arrives {
		r.t.Errorf("from %s, VLAN %d, %s to %s: arrived at %q instead of %q", from, f.vlan, f.from, f.to, got, arrives)
	}
}

// packets is a packet socket on a device.
type packets struct {
	t      *testing.T
	device string
	fd     int
}

func openPackets(t *testing.T, device string) *packets {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, int(htons(unix.ETH_P_ALL)))
	if err != nil {
		t.Errorf("open a packet socket: %v", err)
		return nil
	}
	t.Cleanup(func() { unix.Close(fd) })
	index, err := indexOf(device)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: index})
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20)
	}
	if err != nil {
		t.Errorf("listen on %s: %v", device, err)
	}
	return &packets{t: t, device: device, fd: fd}
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }

func (p *packets) send(raw []byte) {
	p.t.Helper()
	if err := unix.Send(p.fd, raw, 0); err != nil {
		p.t.Fatalf("send on %s: %v", p.device, err)
	}
}

// got reads up to the fence, and tells whether the payload came before.
func (p *packets) got(payload, fence []byte) bool {
	p.t.Helper()
	found := false
	buffer := make([]byte, 65536)
	for {
		wait := []unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}
		if n, err := unix.Poll(wait, 10_000); n == 0 || (err != nil && err != unix.EINTR) {
			p.t.Fatalf("the fence did not arrive at %s within ten seconds: %v", p.device, err)
		}
		n, _, err := unix.Recvfrom(p.fd, buffer, unix.MSG_DONTWAIT)
		if err != nil {
			continue
		}
		text := string(buffer[:n])
		if strings.Contains(text, string(fence)) {
			return found
		}
		found = found || strings.Contains(text, string(payload))
	}
}

// run is a program's output.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}
