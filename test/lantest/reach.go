package lantest

import (
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"

	"hawser/test/netnstest"
)

// Reach pings an IPv4 address from a namespace until the first answer, and fails
// the test if there is none within half a minute.
func Reach(t testing.TB, what string, from *netnstest.Namespace, address string) {
	t.Helper()
	if !answers(t, from, address, 30*time.Second) {
		t.Errorf("%s: %s does not answer", what, address)
	}
}

// Apart fails the test if an address answers within a second.
func Apart(t testing.TB, what string, from *netnstest.Namespace, address string) {
	t.Helper()
	if answers(t, from, address, time.Second) {
		t.Errorf("%s: %s answers", what, address)
	}
}

func answers(t testing.TB, from *netnstest.Namespace, address string, within time.Duration) bool {
	t.Helper()
	var conn net.PacketConn
	from.Do(func() (err error) { conn, err = net.ListenPacket("ip4:icmp", "0.0.0.0"); return err })
	defer conn.Close()
	body := &icmp.Echo{ID: os.Getpid() & 0xffff, Data: []byte("lantest " + t.Name())}
	request, err := (&icmp.Message{Type: ipv4.ICMPTypeEcho, Body: body}).Marshal(nil)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(within); time.Now().Before(deadline); {
		_, _ = conn.WriteTo(request, &net.IPAddr{IP: net.ParseIP(address)}) // one that cannot be sent is not answered
		if hears(conn, address) {
			return true
		}
	}
	return false
}

// hears waits 50 ms for an answer.
func hears(conn net.PacketConn, address string) bool {
	_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	buffer := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return false
		}
		message, err := icmp.ParseMessage(1, buffer[:n])
		if err == nil && message.Type == ipv4.ICMPTypeEchoReply && from.String() == address {
			return true
		}
	}
}
