package netfilter

import (
	"testing"
	"time"

	"hawser/test/netnstest"
)

// TestServicesOfUnderlayPods: a pod of the LAN, whose way to Services leads by
// ovn0. The node reaches the LAN by eth0, yet the answers go back by ovn0, from
// other hosts and from itself; without the mark they leave on the wire and the
// pod, which is not there, hears nothing.
func TestServicesOfUnderlayPods(t *testing.T) {
	w := newWorld(t)
	w.pod.IP("address add 172.30.0.50/32 dev eth0")
	w.pod.IP("address add fd00:30::50/128 dev eth0 nodad")
	w.pod.IP("route add 10.96.0.0/16 via 100.64.0.2 dev eth0 onlink src 172.30.0.50")
	w.pod.IP("-6 route add fd00:10:96::/112 via fd00:100:64::2 dev eth0 onlink src fd00:30::50")
	netnstest.IP(t, "rule add fwmark 0x200000/0x200000 lookup 158")
	netnstest.IP(t, "-6 rule add fwmark 0x200000/0x200000 lookup 158")
	netnstest.IP(t, "route add default dev ovn0 table 158")
	netnstest.IP(t, "-6 route add default dev ovn0 table 158")
	sh(t, "sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.ovn0.rp_filter=2")
	sh(t, "nft 'table inet kube-proxy { chain services { "+
		"ip daddr 10.96.0.11 tcp dport 80 dnat to 172.30.0.11:8080; ip6 daddr fd00:10:96::11 tcp dport 80 dnat to [fd00:30::11]:8080; }\n}'")
	sh(t, "nft 'table inet kube-proxy { chain services { ip6 daddr fd00:10:96::12 tcp dport 80 dnat to [fd00:10:16::5]:8080; }\n}'")
	w.serveHere(t)
	w.serveIn(t, w.pod)
	want := withHost(dualStack())
	want.Underlay = prefixes("172.30.0.0/24", "fd00:30::/64")
	w.apply(t, want)
	for target, source := range map[string]string{
		"10.96.0.10:80": "172.30.0.11", "[fd00:10:96::10]:80": "fd00:30::11", // masqueraded
		"10.96.0.11:80": "172.30.0.50", "[fd00:10:96::11]:80": "fd00:30::50", // the node itself, such as the API server
	} {
		if got := w.seenAs(target, 10*time.Second); got != source {
			t.Errorf("pod appears to %s as %s, want %s", target, got, source)
		}
	}
	const private, masqueraded = "[fd00:10:96::12]:80", "fd00:100:64::2" // its backend is in a private subnet
	if got := w.seenAs(private, 500*time.Millisecond); got == masqueraded {
		t.Error("an underlay pod enters a private subnet by a Service")
	}
	want.Private[1].Admits = append(want.Private[1].Admits, want.Underlay[1])
	w.apply(t, want)
	if got := w.seenAs(private, 10*time.Second); got != masqueraded {
		t.Errorf("an underlay pod that a private subnet admits: %s", got)
	}
	if changed := w.apply(t, want); changed != 0 {
		t.Errorf("second apply changed %d things", changed)
	}
	w.apply(t, withHost(dualStack()))
	if got := w.seenAs("10.96.0.11:80", 500*time.Millisecond); got == "172.30.0.50" {
		t.Error("the control: the answer came back without a mark")
	}
}
