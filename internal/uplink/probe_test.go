package uplink

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"hawser/internal/host"
	"hawser/test/netnstest"
)

// TestProbe: a switch with port security is found out, by either family; one
// without, a network without a next hop and a next hop that is away are not
// suspected.
func TestProbe(t *testing.T) {
	w := newWorld(t, Options{})
	netnstest.NFT(t)
	w.join()
	w.router.IP("addr add 2001:db8::fe/64 dev eth0 nodad")
	netnstest.IP(t, "addr add 2001:db8::1/64 dev nic nodad")
	asked := func(hop string, own, foreign bool) {
		t.Helper()
		want := host.Probe{Own: own, Foreign: foreign}
		if hop != "" {
			want.Asked = netip.MustParseAddr(hop)
		}
		if found, err := w.client.Probe(t.Context(), w.uplink); err != nil || found != want {
			t.Errorf("%+v (%v) instead of %+v", found, err, want)
		}
	}
	asked(routerIP, true, true)
	w.router.IP("link set eth0 down")
	asked(routerIP, false, false)
	w.router.IP("link set eth0 up")
	w.router.IP("addr add 2001:db8::fe/64 dev eth0 nodad") // which went with the link
	own, err := w.client.find("nic")
	w.must(err)
	w.wire.Do(func() error {
		run(t, "nft", "table bridge security { chain port { type filter hook prerouting priority 0; iifname far ether saddr != "+macOf(own).String()+" drop; }; }")
		return nil
	})
	asked(routerIP, true, false)
	netnstest.IP(t, "route replace default via 192.0.2.77 dev nic") // who answers nobody
	netnstest.IP(t, "route add 2001:db8:1::/48 via 2001:db8::fe dev nic")
	asked("2001:db8::fe", true, false)
	w.wire.Do(func() error { run(t, "nft", "flush ruleset"); return nil })
	asked("2001:db8::fe", true, true)
	netnstest.IP(t, "route del 2001:db8:1::/48")
	netnstest.IP(t, "route del default")
	asked("", false, false)
	netnstest.IP(t, "route add default via %s", routerIP)
	w.router.IP("link set eth0 down")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := w.client.Probe(ctx, w.uplink); err == nil {
		t.Error("the probe outlived its context")
	}
}

// TestProbeOnAVLAN of the NIC, where the host's next hop is.
func TestProbeOnAVLAN(t *testing.T) {
	w := newWorld(t, Options{})
	netnstest.Needs(t, "link add link nic name nic.7 type vlan id 7")
	netnstest.IP(t, "link set nic.7 up")
	w.router.IP("link add link eth0 name eth0.7 type vlan id 7")
	w.router.IP("link set eth0.7 up")
	w.router.IP("addr add 198.51.100.254/24 dev eth0.7")
	netnstest.IP(t, "addr add 198.51.100.1/24 dev nic.7")
	netnstest.IP(t, "route replace default via 198.51.100.254")
	w.join()
	want := host.Probe{Asked: netip.MustParseAddr("198.51.100.254"), Own: true, Foreign: true}
	if found, err := w.client.Probe(t.Context(), w.uplink); err != nil || found != want {
		t.Errorf("%+v (%v)", found, err)
	}
}
