package vrrp

import (
	"bytes"
	"encoding/binary"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hawser/test/netnstest"
)

// ipv4 is an advertisement of version 2, as Keepalived sends it.
func ipv4(id, priority, seconds byte) []byte {
	frame := append([]byte{1, 0, 0x5e, 0, 0, 18, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0xc0, 0, 40, 0, 1, 0, 0, 255, protocol, 0, 0}, 192, 0, 2, 1, 224, 0, 0, 18)
	return append(frame, 0x21, id, priority, 1, 0, seconds, 0, 0, 192, 0, 2, 100, 0, 0, 0, 0, 0, 0, 0, 0)
}

// ipv6 is one of version 3.
func ipv6(id, priority byte, centiseconds uint16) []byte {
	frame := append([]byte{0x33, 0x33, 0, 0, 0, 18, 2, 0, 0, 0, 0, 1, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 24, protocol, 255}, make([]byte, 32)...)
	frame = append(frame, 0x31, id, priority, 1)
	frame = binary.BigEndian.AppendUint16(frame, centiseconds)
	return append(frame, make([]byte, 18)...)
}

func TestRead(t *testing.T) {
	four, six := ipv4(60, 150, 1), ipv6(61, 100, 250)
	if a, ok := read(four); !ok || a.router != (router{unix.ETH_P_IP, 60}) || a.priority != 150 || a.interval != time.Second {
		t.Errorf("%+v, %v", a, ok)
	}
	if a, ok := read(six); !ok || a.router != (router{unix.ETH_P_IPV6, 61}) || a.priority != 100 || a.interval != 2500*time.Millisecond {
		t.Errorf("%+v, %v", a, ok)
	}
	tcp, version := ipv4(60, 150, 1), ipv4(60, 150, 1)
	tcp[ipv4Protocol], version[ethernetHeader+ipv4Header] = unix.IPPROTO_TCP, 0x41
	for _, frame := range [][]byte{nil, tcp, version, ipv4(60, 150, 0)} {
		if a, ok := read(frame); ok {
			t.Errorf("%v is %+v", frame, a)
		}
	}
	for n := range four {
		read(four[:n])
	}
	for n := range six {
		read(six[:n])
	}
}

// TestVoices: what is missing is said again, at its interval, until the daemon speaks,
// lets go, or another router does.
func TestVoices(t *testing.T) {
	at := func(seconds float64) time.Time { return time.Unix(1000, int64(seconds*1e9)) }
	of := func(priority byte) advert {
		a, _ := read(ipv4(60, priority, 1))
		return a
	}
	known := voices{}
	silent := func(seconds float64, want bool) {
		t.Helper()
		if frames := known.missing(at(seconds)); (len(frames) == 0) != want {
			t.Errorf("after %v s %d are missing", seconds, len(frames))
		}
	}
	known.said(of(150), at(0))
	silent(1.1, true) // a little late is not missing
	if wait := known.wait(at(1), time.Minute); wait != 250*time.Millisecond {
		t.Errorf("waits %v", wait)
	}
	silent(1.3, false)
	silent(1.4, true)
	known.heard(of(100)) // the rival was too quick, and will hear us
	silent(2.4, false)
	known.said(of(150), at(3))
	silent(4, true)
	silent(4.3, false)
	known.heard(of(200))
	silent(6, true)
	known.said(of(150), at(7))
	known.said(of(0), at(7.5))
	silent(9, true)
}

func TestMember(t *testing.T) {
	four := "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n1\tlo        :     1      V3\n\t\t\t\t010000E0     1 0:00000000\t\t0\n4\teth0      :     2      V3\n\t\t\t\t120000E0     1 0:00000000\t\t0\n\t\t\t\t010000E0     1 0:00000000\t\t0\n"
	six := "4    eth0            ff020000000000000000000000000012     1 00000004 0\n5    eth1            ff020000000000000000000000000001     1 0000000C 0\n"
	for _, text := range []string{four, six} {
		group := "120000E0"
		if text == six {
			group = "ff020000000000000000000000000012"
		}
		for device, want := range map[int]bool{1: false, 4: true, 5: false} {
			if got := member(text, device, group); got != want {
				t.Errorf("device %d: %v", device, got)
			}
		}
	}
}

// TestListens sees a member of the group, in the kernel's own words.
func TestListens(t *testing.T) {
	netnstest.Enter(t)
	far := netnstest.New(t)
	far.Cable("eth0", "far")
	index := indexOf(t, "eth0")
	before, err := Listens(index)
	if err != nil || before {
		t.Fatal(before, err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &unix.IPMreqn{Multiaddr: [4]byte{224, 0, 0, 18}, Ifindex: int32(index)}); err != nil {
		t.Fatal(err)
	}
	if after, err := Listens(index); err != nil || !after {
		t.Error(after, err)
	}
}

// TestStandIn: on a real NIC that is renamed, the far end hears no pause.
func TestStandIn(t *testing.T) {
	netnstest.Enter(t)
	far := netnstest.New(t)
	far.Cable("eth0", "far")
	index := indexOf(t, "eth0")
	daemon := open(t, index)
	var wire int
	far.Do(func() error { wire = open(t, indexOf(t, "far")); return nil })

	one, err := Listen(index)
	if err != nil {
		t.Fatal(err)
	}
	advert := ipv6(60, 150, 20)
	send(t, daemon, advert)
	one.Heard(5 * time.Second)
	for range 3 {
		hears(t, wire, advert)
	}
	far.Do(func() error { send(t, wire, ipv6(60, 200, 20)); return nil })
	time.Sleep(300 * time.Millisecond)
	drain(wire)
	time.Sleep(500 * time.Millisecond)
	if n := drain(wire); n != 0 {
		t.Errorf("spoke %d times after another router did", n)
	}
	one.Relieved(time.Minute) // the other router has taken its place
	send(t, daemon, advert)
	one.Heard(5 * time.Second)
	go func() {
		time.Sleep(300 * time.Millisecond)
		_ = unix.Send(daemon, advert, 0)
	}()
	one.Relieved(time.Minute)
	one.Close()
	one.Close()
}

func open(t *testing.T, index int) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	const ofIPv6 = unix.ETH_P_IPV6<<8&0xff00 | unix.ETH_P_IPV6>>8
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: ofIPv6, Ifindex: index}); err != nil {
		t.Fatal(err)
	}
	return fd
}

func send(t *testing.T, fd int, frame []byte) {
	t.Helper()
	if err := unix.Send(fd, frame, 0); err != nil {
		t.Fatal(err)
	}
}

// hears waits until a frame has arrived.
func hears(t *testing.T, fd int, want []byte) {
	t.Helper()
	buffer := make([]byte, 2048)
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		n, _, err := unix.Recvfrom(fd, buffer, unix.MSG_DONTWAIT)
		if err == nil && bytes.Equal(buffer[:n], want) {
			return
		}
		if err != nil {
			time.Sleep(time.Millisecond)
		}
	}
	t.Fatal("not heard in ten seconds")
}

// drain counts the advertisements that have arrived.
func drain(fd int) (count int) {
	buffer := make([]byte, 2048)
	for {
		n, _, err := unix.Recvfrom(fd, buffer, unix.MSG_DONTWAIT)
		if err != nil {
			return count
		}
		if _, ok := read(buffer[:n]); ok {
			count++
		}
	}
}

func indexOf(t *testing.T, name string) int {
	t.Helper()
	device, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return device.Index
}
