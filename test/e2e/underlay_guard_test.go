package e2e

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// macOf is the hardware address of a device in a network namespace.
func macOf(t testing.TB, netns, device string) net.HardwareAddr {
	t.Helper()
	var mac net.HardwareAddr
	err := within(netns, func() error {
		link, err := net.InterfaceByName(device)
		if err == nil {
			mac = link.HardwareAddr
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return mac
}

// emit puts a frame on a namespace's eth0, over and over, for a time, and tells
// how often.
func emit(t testing.TB, netns string, frame []byte, during time.Duration) (sent int) {
	t.Helper()
	err := within(netns, func() error {
		link, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		socket, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
		if err != nil {
			return err
		}
		defer unix.Close(socket)
		for end := time.Now().Add(during); time.Now().Before(end); time.Sleep(pingInterval) {
			if err := unix.Sendto(socket, frame, 0, &unix.SockaddrLinklayer{Ifindex: link.Index}); err != nil {
				return err
			}
			sent++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sent
}

var broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// ethernet is a frame's header and what it carries.
func ethernet(to, from net.HardwareAddr, kind uint16, payload []byte) []byte {
	return append(binary.BigEndian.AppendUint16(append(bytes.Clone(to), from...), kind), payload...)
}

// gratuitousARP says that an address is at a hardware address (RFC 826).
func gratuitousARP(from net.HardwareAddr, address string) []byte {
	ip := netip.MustParseAddr(address).As4()
	body := []byte{0, 1, 8, 0, 6, 4, 0, 1}
	body = append(append(body, from...), ip[:]...)
	body = append(append(body, 0, 0, 0, 0, 0, 0), ip[:]...)
	return ethernet(broadcast, from, 0x0806, body)
}

// advertisement is one of a router that offers itself as the default (RFC 4861).
func advertisement(t testing.TB, from net.HardwareAddr) []byte {
	t.Helper()
	source, group := net.ParseIP("fe80::bad"), net.ParseIP("ff02::1")
	message := icmp.Message{Type: ipv6.ICMPTypeRouterAdvertisement, Body: &icmp.RawBody{Data: []byte{64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0}}}
	body, err := message.Marshal(icmp.IPv6PseudoHeader(source, group))
	if err != nil {
		t.Fatal(err)
	}
	header := []byte{0x60, 0, 0, 0, 0, byte(len(body)), 58, 255}
	header = append(append(header, source...), group...)
	return ethernet(net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}, from, 0x86dd, append(header, body...))
}

// offer is a datagram from a DHCP server's port to all clients.
func offer(from net.HardwareAddr) []byte {
	const says = "an offer"
	udp := binary.BigEndian.AppendUint16(nil, 67)
	udp = binary.BigEndian.AppendUint16(udp, 68)
	udp = binary.BigEndian.AppendUint16(udp, uint16(8+len(says)))
	udp = append(append(udp, 0, 0), says...) // no checksum
	ip := []byte{0x45, 0, 0, byte(20 + len(udp)), 0, 0, 0, 0, 64, 17, 0, 0, 172, 30, 0, 254, 255, 255, 255, 255}
	sum := uint32(0)
	for i := 0; i < len(ip); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	sum = sum>>16 + sum&0xffff
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum+sum>>16))
	return ethernet(broadcast, from, 0x0800, append(ip, udp...))
}

// heardAsClient tells how many offers a DHCP client in a namespace hears while
// something is done.
func heardAsClient(t testing.TB, netns string, do func()) int {
	t.Helper()
	var conn net.PacketConn
	if err := within(netns, func() (err error) { conn, err = net.ListenPacket("udp4", ":68"); return err }); err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	do()
	_ = conn.SetReadDeadline(time.Now().Add(time.Second))
	buffer := make([]byte, 1500)
	for heard := 0; ; heard++ {
		if _, _, err := conn.ReadFrom(buffer); err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
			return heard
		}
	}
}

// TestUnderlayForgery: a pod that speaks as a next hop of its node, as its node, as
// a router or as a DHCP server harms no host. The same from a physical host does
// reach them: the guard is for pods. (Frames with the address of any other
// neighbour pass, docs/decisions/0012: a machine that has moved here sends them.)
func TestUnderlayForgery(t *testing.T) {
	u := newUnderlayNet(t, "forge")
	pod := u.flat[0]
	evil, node, world := netnsOf(t, pod.name), machineNetns(t, pod.node), machineNetns(t, "flathost")
	own := macOf(t, evil, "eth0")
	peer := macOf(t, world, "eth0")

	traffic := startHostTraffic(t, "flathost", flatHost4, pod.node)
	inNode(t, pod.node, "ip", "route", "add", "203.0.113.0/24", "via", flatHost4)
	t.Cleanup(func() { inNode(t, pod.node, "ip", "route", "del", "203.0.113.0/24") })
	time.Sleep(3 * time.Second)
	for _, forged := range []net.HardwareAddr{peer, macOf(t, node, "eth0")} {
		emit(t, evil, ethernet(broadcast, forged, 0x88b5, make([]byte, 50)), 2*time.Second)
		emit(t, evil, gratuitousARP(forged, "172.30.0.222"), 2*time.Second)
	}
	time.Sleep(5 * time.Second)
	if lost := traffic.end(t); lost > 0 {
		t.Errorf("%d of the host's pings lost to forged sources", lost)
	}

	accept := func(value string) { inNode(t, pod.node, "sysctl", "-qw", "net.ipv6.conf.eth0.accept_ra="+value) }
	accept("2")
	defer accept("0")
	defaults := func() string { return inNode(t, pod.node, "ip", "-6", "route", "show", "default") }
	emit(t, evil, advertisement(t, own), time.Second)
	if now := defaults(); strings.Contains(now, "fe80::bad") {
		t.Errorf("a pod's router advertisement made the host's route %s", now)
	}
	if heard := heardAsClient(t, node, func() { emit(t, evil, offer(own), time.Second) }); heard > 0 {
		t.Errorf("the host heard %d DHCP offers of a pod", heard)
	}

	emit(t, world, advertisement(t, peer), time.Second)
	if now := defaults(); !strings.Contains(now, "fe80::bad") {
		t.Errorf("the control: the host does not hear the physical router either: %s", now)
	}
	inNode(t, pod.node, "ip", "-6", "route", "del", "default", "via", "fe80::bad", "dev", "eth0")
	if heardAsClient(t, node, func() { emit(t, world, offer(peer), time.Second) }) == 0 {
		t.Error("the control: the host does not hear the physical DHCP server either")
	}
	trustedPod(t, pod, offer(own))
}

// guestOn puts a macvlan on a node's NIC, into a namespace "guest" of its own,
// until the test ends.
func guestOn(t testing.TB, node, address, mac string) {
	t.Helper()
	if mac != "" {
		mac = "address " + mac
	}
	inNode(t, node, "sh", "-ec", "ip netns add guest; ip link add guest0 link eth0 "+mac+" type macvlan mode bridge; ip link set guest0 netns guest name eth0;"+
		"ip -n guest address add "+address+"/24 dev eth0; ip -n guest link set eth0 up")
	t.Cleanup(func() { inNode(t, node, "ip", "netns", "del", "guest") })
}

// TestUnderlayGuests: a macvlan that is made on the NIC after it was shared, and
// while the agent hangs, is reached from the wire and from pods, of its own node
// too, and reaches them.
func TestUnderlayGuests(t *testing.T) {
	u := newUnderlayNet(t, "guest")
	near, far := u.flat[0], u.flat[1]
	const guest = "172.30.0.70"
	if signalIn(t, near.node, "kube-ovn-daemon", syscall.SIGSTOP) == 0 {
		t.Fatal("no agent")
	}
	t.Cleanup(func() { signalIn(t, near.node, "kube-ovn-daemon", syscall.SIGCONT) })
	guestOn(t, near.node, guest, "")
	ping := func(from, to string, command ...string) {
		t.Helper()
		if _, err := run("", append(append([]string{"exec"}, command...), "ping", "-c", "4", "-i", "0.2", "-W", "2", to)...); err != nil {
			t.Errorf("%s → %s: %v", from, to, err)
		}
	}
	ping("the wire", guest, "flathost", "--")
	ping("the guest", flatHost4, near.node, "--", "ip", "netns", "exec", "guest")
	for _, pod := range []placed{near, far} {
		if out, err := inPodNet(t, pod, "ping", "-c", "4", "-i", "0.2", "-W", "2", guest); err != nil {
			t.Errorf("%s → the guest: %v\n%s", pod.name, err, out)
		}
		if net.ParseIP(pod.ips[0]).To4() != nil {
			ping("the guest", pod.ips[0], near.node, "--", "ip", "netns", "exec", "guest")
		}
	}
}

// TestUnderlayPromisc: somebody clears the NIC's promiscuous bit, which is one
// and not counted: it is set again, with an event.
func TestUnderlayPromisc(t *testing.T) {
	node := nodes(t)[0]
	sharedNIC(t, "promisc")
	flag := func() string { return inNode(t, node, "ip", "-o", "link", "show", "dev", "eth0") }
	if !strings.Contains(flag(), "PROMISC") {
		t.Fatalf("the shared NIC is not promiscuous: %s", flag())
	}
	inNode(t, node, "ip", "link", "set", "eth0", "promisc", "off")
	eventually(t, 30*time.Second, "the NIC is promiscuous again", func() error {
		if now := flag(); !strings.Contains(now, "PROMISC") {
			return fmt.Errorf("it is %s", now)
		}
		return nil
	})
	t.Log(event(t, "default", "promisc."+node, "romisc"))
}
