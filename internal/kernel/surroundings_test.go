package kernel_test

import (
	"testing"
	"time"

	"hawser/internal/kernel"
	"hawser/test/netnstest"
)

func TestSurroundings(t *testing.T) {
	netnstest.Enter(t)
	netnstest.IP(t, "link add eth1 type veth peer name far1")
	netnstest.IP(t, "link set eth1 up")
	netnstest.IP(t, "addr add 192.0.2.1/24 dev eth1")
	listener, err := kernel.Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	hint := func(within time.Duration) bool {
		select {
		case <-listener.Changed():
			return true
		case <-time.After(within):
			return false
		}
	}
	for _, c := range []struct {
		change string
		hints  bool
	}{
		{"neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev eth1 nud stale", true},
		{"neigh replace 192.0.2.9 lladdr 02:00:00:00:00:09 dev eth1 nud permanent", false},
		{"neigh replace 192.0.2.9 lladdr 02:00:00:00:00:0a dev eth1 nud permanent", true},
		{"neigh del 192.0.2.9 dev eth1", false},
		{"route add 198.51.100.0/24 via 192.0.2.9", true},
		{"route add 203.0.113.0/24 via 192.0.2.9 proto 12", false}, // bird's
		{"route add default via 192.0.2.9", true},
		{"addr add 192.0.2.2/24 dev eth1", true},
		{"link set eth1 mtu 1400", true},
	} {
		for hint(100 * time.Millisecond) {
			continue // of the case before
		}
		netnstest.IP(t, "%s", c.change)
		within := 100 * time.Millisecond
		if c.hints {
			within = 5 * time.Second
		}
		if got := hint(within); got != c.hints {
			t.Errorf("%s hints: %v", c.change, got)
		}
	}
}
