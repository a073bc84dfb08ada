package uplink

import (
	"context"
	"testing"
	"time"

	"hawser/test/netnstest"
)

// TestProbe: a switch with port security is found out; one without, a network
// without a gateway and a gateway that is away are not suspected.
func TestProbe(t *testing.T) {
	w := newWorld(t, Options{})
	netnstest.NFT(t)
	w.join()
	probe := func(what string, want bool) {
		t.Helper()
		if blocked, err := w.client.Probe(t.Context(), w.uplink); err != nil || blocked != want {
			t.Errorf("%s: blocked is %v (%v)", what, blocked, err)
		}
	}
	probe("open switch", false)
	own, err := w.client.find("nic")
	w.must(err)
	w.wire.Do(func() error {
		run(t, "nft", "table bridge security { chain port { type filter hook prerouting priority 0; iifname far ether saddr != "+macOf(own).String()+" drop; }; }")
		return nil
	})
	probe("port security", true)
	w.router.IP("link set eth0 down")
	probe("router away", false)
	netnstest.IP(t, "route del default")
	probe("no gateway", false)
	netnstest.IP(t, "route add default via %s", routerIP)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := w.client.Probe(ctx, w.uplink); err == nil {
		t.Error("the probe outlived its context")
	}
}
