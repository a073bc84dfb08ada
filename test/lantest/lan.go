// Package lantest gives tests networks outside of nodes: LANs with machines on
// them, nodes with a real Open vSwitch, and ears that count frames. All of it is in
// throw-away network namespaces, and ends with the test.
package lantest

import (
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"hawser/test/netnstest"
)

// LAN is a physical switch with a bystander, who only listens.
type LAN struct {
	t     testing.TB
	ns    *netnstest.Namespace
	ports int
}

// New makes a switch.
func New(t testing.TB) *LAN {
	t.Helper()
	l := &LAN{t: t, ns: netnstest.New(t)}
	l.ns.IP("link add lan type bridge")
	l.ns.IP("link set lan addrgenmode none up")
	l.ns.IP("link add socket type veth peer name bystander")
	l.ns.IP("link set socket addrgenmode none master lan up")
	l.ns.IP("link set bystander addrgenmode none up")
	return l
}

// Plug lays a cable to a device that it makes in a namespace, nil for the test's
// own, and names the switch's port. Neither end has an address of its own making.
func (l *LAN) Plug(in *netnstest.Namespace, device string) (port string) {
	l.t.Helper()
	l.ports++
	port = fmt.Sprintf("port%d", l.ports)
	IP(l.t, in, "link add %s type veth peer name %s netns %s", device, port, l.ns.Path())
	l.Join(port)
	IP(l.t, in, "link set %s addrgenmode none up", device)
	l.await(port)
	return port
}

// await returns once a port forwards. The kernel may take a second to notice that
// a cable was plugged in at both ends (linkwatch_urgent_event).
func (l *LAN) await(port string) {
	l.t.Helper()
	l.ns.Do(func() error {
		for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			link, err := netlink.LinkByName(port)
			if err != nil || link.Attrs().OperState == netlink.OperUp {
				return err
			}
		}
		return fmt.Errorf("port %s has no carrier", port)
	})
}

// Join makes a device of the switch's namespace a port; Leave takes it out.
func (l *LAN) Join(port string) {
	l.t.Helper()
	l.ns.IP("link set %s addrgenmode none master lan up", port)
}

// Leave has the port's device on its own.
func (l *LAN) Leave(port string) {
	l.t.Helper()
	l.ns.IP("link set %s nomaster", port)
}

// Unplug takes the carrier of a port away, and Replug gives it back.
func (l *LAN) Unplug(port string) {
	l.t.Helper()
	l.ns.IP("link set %s down", port)
}

// Replug sets a port up that was unplugged.
func (l *LAN) Replug(port string) {
	l.t.Helper()
	l.ns.IP("link set %s up", port)
}

// Host plugs in a machine with an address on eth0.
func (l *LAN) Host(address string) *netnstest.Namespace {
	l.t.Helper()
	machine := netnstest.New(l.t)
	l.Plug(machine, "eth0")
	machine.IP("addr add %s dev eth0", address)
	return machine
}

// Connect lays a cable to another switch, so that the two are one LAN.
func (l *LAN) Connect(other *LAN) {
	l.t.Helper()
	l.ns.IP("link add cable type veth peer name cable netns %s", other.ns.Path())
	l.Join("cable")
	other.Join("cable")
	l.await("cable")
	other.await("cable")
}

// Cut takes the cable away.
func (l *LAN) Cut() {
	l.t.Helper()
	l.ns.IP("link del cable")
}

// Bystander listens on a port that nobody sends from.
func (l *LAN) Bystander() *Ear { return Listen(l.t, l.ns, "bystander") }

// At listens on a port of the switch, to what comes in there and to what leaves.
func (l *LAN) At(port string) *Ear { return Listen(l.t, l.ns, port) }

// Filter loads rules of nftables in the switch.
func (l *LAN) Filter(rules string) {
	l.t.Helper()
	l.ns.Do(func() error {
		if out, err := exec.Command("nft", rules).CombinedOutput(); err != nil {
			return fmt.Errorf("nft %s: %w: %s", rules, err, out)
		}
		return nil
	})
}

// IP runs iproute2 in a namespace, nil for the test's own.
func IP(t testing.TB, in *netnstest.Namespace, format string, args ...any) {
	t.Helper()
	if in == nil {
		netnstest.IP(t, format, args...)
		return
	}
	in.IP(format, args...)
}
