package netnstest

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestPingsSeeLoss(t *testing.T) {
	Enter(t)
	neighbour := New(t)
	neighbour.Cable("near", "far")
	IP(t, "address add 192.0.2.1/24 dev near")
	neighbour.IP("address add 192.0.2.2/24 dev far")
	pings := PingFrom(t, fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()), "192.0.2.2", 5*time.Millisecond)
	time.Sleep(300 * time.Millisecond)
	IP(t, "link set near down")
	time.Sleep(50 * time.Millisecond)
	IP(t, "link set near up")
	time.Sleep(300 * time.Millisecond)
	loss := pings.End()
	t.Log(loss)
	if loss.Lost == 0 || loss.Lost == loss.Sent || loss.Gap < 50*time.Millisecond {
		t.Errorf("50 ms without a link: %v", loss)
	}
}

// TestStream: what is sent arrives.
func TestStream(t *testing.T) {
	Enter(t)
	neighbour := New(t)
	neighbour.Cable("near", "far")
	IP(t, "address add 192.0.2.1/24 dev near")
	neighbour.IP("address add 192.0.2.2/24 dev far")
	stream := StreamFrom(t, fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()), neighbour.Path(), "192.0.2.2")
	time.Sleep(100 * time.Millisecond)
	stream.End()
}
