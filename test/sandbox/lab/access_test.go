package lab

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// stand connects a new machine to a LAN.
func stand(t *testing.T, lan, name string, vlan int, address string) string {
	t.Helper()
	namespace := filepath.Join(t.TempDir(), name)
	if err := EnsureNamespace(namespace); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = RemoveNamespace(namespace) })
	err := Connect(Cable{
		From: lan, Port: name, Bridge: "br0", VLAN: vlan,
		To: namespace, Interface: "eth0", Addresses: []netip.Prefix{netip.MustParsePrefix(address)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return namespace
}

// listenFrames opens a socket that sees all frames of eth0, tags beside them.
func listenFrames(t *testing.T, namespace string) int {
	t.Helper()
	var socket int
	err := Do(namespace, func() error {
		link, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		socket, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
		if err != nil {
			return err
		}
		if err := unix.SetsockoptInt(socket, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1); err != nil {
			return err
		}
		if err := unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 3}); err != nil {
			return err
		}
		return unix.Bind(socket, &unix.SockaddrLinklayer{Protocol: 0x0300, Ifindex: link.Index}) // ETH_P_ALL
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(socket) })
	return socket
}

// nextARP reads up to the next ARP frame and gives its VLAN: tpacket_auxdata
// has the tag 16 bytes after its begin, and in bit 4 of its status whether
// there is one (linux/if_packet.h).
func nextARP(t *testing.T, socket int) int {
	t.Helper()
	frame, control := make([]byte, 2048), make([]byte, 256)
	for {
		n, controls, _, _, err := unix.Recvmsg(socket, frame, control, 0)
		if err != nil {
			t.Fatalf("no ARP frame: %v", err)
		}
		messages, err := unix.ParseSocketControlMessage(control[:controls])
		if err != nil || len(messages) != 1 {
			t.Fatalf("control messages %v, %v", messages, err)
		}
		if n < 14 || frame[12] != 8 || frame[13] != 6 {
			continue
		}
		data := messages[0].Data
		if data[0]&0x10 == 0 {
			return 0
		}
		return (int(data[16]) | int(data[17])<<8) & vlanIDs
	}
}

// silent says that nobody answers at an address.
func silent(t *testing.T, namespace, address string) {
	t.Helper()
	err := Do(namespace, func() error {
		connection, err := net.DialTimeout("tcp", net.JoinHostPort(address, "9"), time.Second)
		if err == nil {
			connection.Close()
		}
		return err
	})
	if err == nil || errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("%s answers: %v", address, err)
	}
}

// TestAccess: machines of a VLAN reach each other and nobody else, and know
// nothing of the tag that a trunk sees.
func TestAccess(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	lan := filepath.Join(t.TempDir(), "lan")
	if err := EnsureNamespace(lan); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = RemoveNamespace(lan) })
	if err := EnsureBridge(lan, "br0", nil); err != nil {
		t.Fatal(err)
	}
	red1, red2 := stand(t, lan, "red1", 100, "192.0.2.1/24"), stand(t, lan, "red2", 100, "192.0.2.2/24")
	plain := stand(t, lan, "plain", 0, "192.0.2.3/24")
	stand(t, lan, "blue", 200, "192.0.2.4/24")
	trunk := stand(t, lan, "trunk", Trunk, "192.0.2.5/24")
	frames := listenFrames(t, trunk)

	reach(t, red1, "192.0.2.2")
	if vlan := nextARP(t, frames); vlan != 100 {
		t.Errorf("the trunk sees VLAN %d of red1, want 100", vlan)
	}
	reach(t, plain, "192.0.2.5")
	if vlan := nextARP(t, frames); vlan != 0 {
		t.Errorf("the trunk sees VLAN %d of plain, want none", vlan)
	}
	for _, pair := range []struct{ from, to string }{
		{red2, "192.0.2.3"}, {red2, "192.0.2.4"}, {red2, "192.0.2.5"}, {plain, "192.0.2.4"}, {trunk, "192.0.2.1"},
	} {
		silent(t, pair.from, pair.to)
	}
}
