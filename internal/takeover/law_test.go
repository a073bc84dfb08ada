package takeover

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hawser/internal/host"
	"hawser/test/netnstest"
)

// bothWays runs a test without and with an exchange of names.
func bothWays(t *testing.T, test func(*testing.T, *rig)) {
	for name, exchange := range map[string]bool{"plain": false, "exchanged": true} {
		t.Run(name, func(t *testing.T) { test(t, newRig(t, exchange)) })
	}
}

// TestThereAndBack: all that the host had is on the bridge, and after that on the
// NIC again, as it was; done again, nothing changes; and nobody misses a packet.
func TestThereAndBack(t *testing.T) {
	bothWays(t, func(t *testing.T, r *rig) {
		before := r.world()
		pings := r.pings()
		time.Sleep(500 * time.Millisecond)
		r.must(r.settle(r.plan))
		taken := r.world()
		t.Logf("%s", cmp.Diff(before, taken))
		r.must(r.settle(r.plan))
		if diff := cmp.Diff(taken, r.world()); diff != "" {
			t.Errorf("done again: %s", diff)
		}
		time.Sleep(500 * time.Millisecond)
		r.must(r.settle(host.Plan{}))
		time.Sleep(500 * time.Millisecond)
		for address, ping := range pings {
			if loss := ping.End(); loss.Lost > 0 {
				t.Errorf("%s: %v", address, loss)
			} else {
				t.Logf("%s: %v", address, loss)
			}
		}
		if diff := cmp.Diff(before, r.world()); diff != "" {
			t.Errorf("not as it was: %s", diff)
		}
	})
}

// pings are the host's and the gateway's, each 10 ms.
func (r *rig) pings() map[string]*netnstest.Pings {
	r.t.Helper()
	return map[string]*netnstest.Pings{
		"to the gateway":  netnstest.PingFrom(r.t, r.here, gatewayIP, 10*time.Millisecond),
		"to the host":     netnstest.PingFrom(r.t, r.gateway.Path(), hostIP, 10*time.Millisecond),
		"to the virtual":  netnstest.PingFrom(r.t, r.gateway.Path(), virtualIP, 10*time.Millisecond),
		"beyond a router": netnstest.PingFrom(r.t, r.here, "203.0.113.1", 10*time.Millisecond),
	}
}
