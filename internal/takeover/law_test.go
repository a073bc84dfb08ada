package takeover

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"hawser/internal/host"
	nodeplan "hawser/internal/nodeplan/takeover"
	"hawser/test/netnstest"
)

// everyWay runs a test without and with an exchange of names, and with NetworkManager
// on the NIC.
func everyWay(t *testing.T, test func(*testing.T, *rig)) {
	for name, exchange := range map[string]bool{"plain": false, "exchanged": true} {
		t.Run(name, func(t *testing.T) { test(t, newRig(t, exchange)) })
	}
	t.Run("managed", func(t *testing.T) {
		r := newRig(t, false)
		r.uplink.Managed = true
		r.plan = nodeplan.Steps(r.uplink)
		test(t, r)
	})
}

// TestThereAndBack: all that the host had is on the bridge, and after that on the
// NIC again, as it was; done again, nothing changes; and nobody misses a packet.
func TestThereAndBack(t *testing.T) {
	everyWay(t, func(t *testing.T, r *rig) {
		before := r.world()
		lost := r.listen()
		r.must(r.settle(r.plan))
		taken := r.world()
		r.isTaken()
		r.must(r.settle(r.plan))
		r.same(taken, "done again")
		r.must(r.settle(host.Plan{}))
		lost()
		r.same(before, "undone")
	})
}

// isTaken looks at what people look at.
func (r *rig) isTaken() {
	r.t.Helper()
	nic, bridge := r.uplink.Device(), r.uplink.Bridge
	for _, words := range [][]string{
		{"address show dev " + bridge, hostIP + "/24 brd 192.0.2.255", "192.0.2.100/24 scope global secondary eth0:vip", "172.16.0.1/30 metric 77 scope global noprefixroute", hostIP6 + "/64 scope global nodad"},
		{"route show table all", "default via " + gatewayIP + " dev " + bridge + " src " + hostIP + " metric 100", "10.3.0.0/16 via 172.31.255.1 dev " + bridge + " onlink", "nexthop via " + gatewayIP + " dev " + bridge + " weight 3", "10.4.0.0/16 dev " + bridge + " table 100 scope link", "10.1.0.0/16 via 192.0.2.253 dev " + bridge + " proto static mtu 1400"},
		{"-6 route show", "default via " + gatewayIP6 + " dev " + bridge + " metric 1024 pref high", "nexthop via 2001:db8::253 dev " + bridge + " weight 1"},
		{"rule show", "1000:	from all iif " + bridge + " lookup 100", "1002:	from all iif eth1 lookup 100"},
		{"-6 rule show", "1001:	from all oif " + bridge + " lookup 100"},
		{"neigh show nud permanent", "192.0.2.77 dev " + bridge + " lladdr 02:00:00:00:00:77"},
		{"neigh show proxy", "192.0.2.88 dev " + bridge},
	} {
		shown := strings.Join(strings.Fields(r.run("ip", strings.Fields(words[0])...)), " ")
		for _, word := range words[1:] {
			if !strings.Contains(shown, strings.Join(strings.Fields(word), " ")) {
				r.t.Errorf("ip %s lacks %q: %s", words[0], word, shown)
			}
		}
	}
	if left := r.run("ip", "-o", "address", "show", "dev", nic); left != "" {
		r.t.Errorf("left on the NIC: %s", left)
	}
	if held := r.run("ip", "-o", "address", "show", "dev", "lo"); strings.Contains(held, hostIP) {
		r.t.Errorf("left on lo: %s", held)
	}
	for _, key := range []string{"net/ipv4/conf/%s/rp_filter=1", "net/ipv4/conf/%s/proxy_arp=1", "net/ipv6/conf/%s/accept_ra=0", "net/ipv4/neigh/%s/gc_stale_time=61"} {
		key, want, _ := strings.Cut(fmt.Sprintf(key, bridge), "=")
		if got := read(key); got != want {
			r.t.Errorf("%s is %s instead of %s", key, got, want)
		}
	}
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
