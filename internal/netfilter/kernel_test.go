package netfilter

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"hawser/internal/host"
	"hawser/test/netnstest"
)

// The world of these tests, all in throw-away namespaces:
//
//	pod 10.16.0.5 ── ovn0 100.64.0.2 │ node │ eth0 172.30.0.11 ── lan: host 172.30.0.2, outside 198.51.100.1
//
// and the same in IPv6. In the node, a table in kube-proxy's place sends the
// Service 10.96.0.10:80 on to the host in the LAN, port 8080.
type world struct {
	pod, lan *netnstest.Namespace
	client   *Client
}

func newWorld(t *testing.T) world {
	t.Helper()
	netnstest.NFT(t)
	netnstest.Enter(t)
	w := world{pod: netnstest.New(t), lan: netnstest.New(t)}
	w.pod.Cable("ovn0", "eth0")
	w.lan.Cable("eth0", "eth0")
	for _, command := range []string{
		"address add 100.64.0.2/16 dev ovn0", "address add fd00:100:64::2/112 dev ovn0 nodad",
		"address add 172.30.0.11/24 dev eth0", "address add fd00:30::11/64 dev eth0 nodad",
		"route add 10.16.0.0/16 dev ovn0", "-6 route add fd00:10:16::/112 dev ovn0",
		"route add default via 172.30.0.2", "-6 route add default via fd00:30::2",
	} {
		netnstest.IP(t, "%s", command)
	}
	for _, command := range []string{
		"address add 10.16.0.5/32 dev eth0", "address add fd00:10:16::5/128 dev eth0 nodad",
		"route add default via 100.64.0.2 dev eth0 onlink", "-6 route add default via fd00:100:64::2 dev eth0 onlink",
	} {
		w.pod.IP("%s", command)
	}
	for _, command := range []string{
		"address add 172.30.0.2/24 dev eth0", "address add 198.51.100.1/32 dev lo",
		"address add fd00:30::2/64 dev eth0 nodad", "address add 2001:db8::1/128 dev lo nodad",
		// Without masquerading, answers to the pod still find their way.
		"route add 10.16.0.0/16 via 172.30.0.11", "-6 route add fd00:10:16::/112 via fd00:30::11",
	} {
		w.lan.IP("%s", command)
	}
	sh(t, "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
	sh(t, "nft 'table inet kube-proxy { chain services { type nat hook prerouting priority -100; "+
		"ip daddr 10.96.0.10 tcp dport 80 dnat to 172.30.0.2:8080; ip6 daddr fd00:10:96::10 tcp dport 80 dnat to [fd00:30::2]:8080; }\n}'")
	w.serveIn(t, w.lan)
	client, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	w.client = client
	return w
}

func sh(t *testing.T, command string) string {
	t.Helper()
	out, err := exec.Command("sh", "-c", command).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", command, err, out)
	}
	return string(out)
}

// serveIn tells each caller on port 8080 there who it appears to be.
func (w world) serveIn(t *testing.T, there *netnstest.Namespace) {
	var listener net.Listener
	there.Do(func() (err error) {
		listener, err = net.Listen("tcp", ":8080")
		return err
	})
	tellCallers(t, listener)
}

// serveHere does it on the node.
func (w world) serveHere(t *testing.T) {
	listener, err := net.Listen("tcp", ":8080")
	if err != nil {
		t.Fatal(err)
	}
	tellCallers(t, listener)
}

func tellCallers(t *testing.T, listener net.Listener) {
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(conn, netip.MustParseAddrPort(conn.RemoteAddr().String()).Addr().Unmap())
			conn.Close()
		}
	}()
}

// seenAs asks, from the pod, how it appears to target.
func (w world) seenAs(target string, within time.Duration) (source string) {
	w.pod.Do(func() error {
		conn, err := net.DialTimeout("tcp", target, within)
		if err != nil {
			source = err.Error()
			return nil
		}
		defer conn.Close()
		answer, err := io.ReadAll(conn)
		source = string(answer)
		return err
	})
	return source
}

func (w world) apply(t *testing.T, want host.Filtering) int {
	t.Helper()
	changed, err := w.client.Filter(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

func withHost(want host.Filtering) host.Filtering {
	want.Nodes = append(want.Nodes, netip.MustParseAddr("172.30.0.2"), netip.MustParseAddr("fd00:30::2"))
	return want
}

func TestWhoAPodAppearsToBe(t *testing.T) {
	w := newWorld(t)
	const pod4, pod6, node4, node6 = "10.16.0.5", "fd00:10:16::5", "172.30.0.11", "fd00:30::11"
	check := func(when string, want map[string]string) {
		t.Helper()
		for target, source := range want {
			if got := w.seenAs(target, 10*time.Second); got != source {
				t.Errorf("%s: pod appears to %s as %s, want %s", when, target, got, source)
			}
		}
	}
	w.apply(t, withHost(dualStack()))
	check("natOutgoing", map[string]string{
		"10.96.0.10:80": node4, "[fd00:10:96::10]:80": node6, // by the Service: always masqueraded
		"198.51.100.1:8080": node4, "[2001:db8::1]:8080": node6, // outside
		"172.30.0.2:8080": pod4, "[fd00:30::2]:8080": pod6, // a node of the cluster
	})
	plain := withHost(dualStack())
	plain.Sources = nil
	w.apply(t, plain)
	check("no natOutgoing", map[string]string{
		"10.96.0.10:80": node4, "[fd00:10:96::10]:80": node6,
		"198.51.100.1:8080": pod4, "[2001:db8::1]:8080": pod6,
	})
}

func TestThreeLaws(t *testing.T) {
	w := newWorld(t)
	before := sh(t, "nft list ruleset")
	if changed := w.apply(t, dualStack()); changed == 0 {
		t.Error("nothing changed on an empty node")
	}
	if changed := w.apply(t, dualStack()); changed != 0 {
		t.Errorf("second apply changed %d things", changed)
	}
	restarted, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer restarted.Close()
	if changed, err := restarted.Filter(t.Context(), dualStack()); changed != 0 || err != nil {
		t.Errorf("a restarted agent changed %d things, %v", changed, err)
	}
	w.apply(t, host.Filtering{})
	if after := sh(t, "nft list ruleset"); after != before {
		t.Errorf("applying nothing leaves\n%s", after)
	}
}

func TestComesBackAfterAFlush(t *testing.T) {
	w := newWorld(t)
	w.apply(t, dualStack())
	for w.hinted(200 * time.Millisecond) {
	}
	w.apply(t, dualStack())
	sh(t, "nft flush ruleset")
	if !w.hinted(10 * time.Second) {
		t.Fatal("no hint after nft flush ruleset")
	}
	if changed := w.apply(t, dualStack()); changed == 0 {
		t.Error("the table was not brought back")
	}
	if list := sh(t, "nft list table inet kube-ovn"); !strings.Contains(list, "10.16.0.0/16") {
		t.Error(list)
	}
}

// hinted tells whether a hint comes within a time.
func (w world) hinted(within time.Duration) bool {
	select {
	case <-w.client.Changed():
		return true
	case <-time.After(within):
		return false
	}
}

func TestChangesOfStrangersGiveNoHint(t *testing.T) {
	w := newWorld(t)
	sh(t, "nft add table inet other; nft add chain inet other c; nft add rule inet other c accept; nft delete table inet other")
	if w.hinted(300 * time.Millisecond) {
		t.Error("a hint after another table changed")
	}
}

func TestADeafDeviceNeverAnswers(t *testing.T) {
	w := newWorld(t)
	w.apply(t, dualStack())
	targets := []string{"100.64.0.2:9", "[fd00:100:64::2]:9"}
	for _, target := range targets {
		if !w.nodeAnswers(target, 10*time.Second) {
			t.Fatalf("the control fails: %s does not answer before", target)
		}
	}
	netnstest.IP(t, "link set ovn0 group %d", host.DeafGroup)
	for _, target := range targets {
		if w.nodeAnswers(target, time.Second) {
			t.Errorf("%s answers on a deaf device", target)
		}
	}
	if list := sh(t, "nft list chain inet kube-ovn isolate"); strings.Count(list, " drop") != 1 {
		t.Error(list)
	}
	netnstest.IP(t, "link set ovn0 group 0")
	for _, target := range targets {
		if !w.nodeAnswers(target, 10*time.Second) {
			t.Errorf("%s does not answer when the device is no longer deaf", target)
		}
	}
}

// nodeAnswers tells whether the node answers the pod; a refusal is an answer.
func (w world) nodeAnswers(target string, within time.Duration) bool {
	return strings.Contains(w.seenAs(target, within), "refused")
}

// TestWhoEntersAPrivateSubnetByAService: its own pods, those it allows, and the
// nodes; nobody else, whichever way kube-proxy sends the packet.
func TestWhoEntersAPrivateSubnetByAService(t *testing.T) {
	w := newWorld(t)
	const open4, allowed4, private4 = "10.16.0.5", "10.16.1.5", "10.17.0.5"
	const open6, allowed6, private6 = "fd00:10:16::5", "fd00:10:17::5", "fd00:10:18::5"
	for _, address := range []string{allowed4 + "/32", private4 + "/32", allowed6 + "/128 nodad", private6 + "/128 nodad"} {
		w.pod.IP("address add dev eth0 %s", address)
	}
	for _, route := range []string{"10.17.0.0/24", "fd00:10:17::/112", "fd00:10:18::/112"} {
		netnstest.IP(t, "route add %s dev ovn0", route)
	}
	sh(t, "nft 'add rule inet kube-proxy services ip daddr 10.96.0.20 tcp dport 80 dnat to 10.17.0.5:8080; "+
		"add rule inet kube-proxy services ip6 daddr fd00:10:96::20 tcp dport 80 dnat to [fd00:10:18::5]:8080; "+
		"add chain inet kube-proxy marked { type nat hook postrouting priority 100; }; "+
		"add rule inet kube-proxy marked ct status dnat masquerade'") // as for a node port
	w.serveIn(t, w.pod)
	want := dualStack()
	want.Subnets = append(want.Subnets, prefixes("fd00:10:17::/112", "fd00:10:18::/112")...)
	want.Private = []host.PrivateSubnet{
		{Prefix: netip.MustParsePrefix("10.17.0.0/24"), Admits: prefixes("10.17.0.0/24", "10.16.1.0/24", "100.64.0.0/16")},
		{Prefix: netip.MustParsePrefix("fd00:10:18::/112"), Admits: prefixes("fd00:10:18::/112", "fd00:10:17::/112", "fd00:100:64::/112")},
	}
	closed := want.Private
	for _, step := range []struct {
		name    string
		private []host.PrivateSubnet
	}{{"control, not private", nil}, {"private", closed}} {
		want.Private = step.private
		w.apply(t, want)
		for _, c := range []struct {
			source, service string
			enters          bool
		}{
			{open4, "10.96.0.20:80", step.private == nil}, {allowed4, "10.96.0.20:80", true}, {private4, "10.96.0.20:80", true},
			{open6, "[fd00:10:96::20]:80", step.private == nil}, {allowed6, "[fd00:10:96::20]:80", true}, {private6, "[fd00:10:96::20]:80", true},
		} {
			if got := w.enters(c.source, c.service, c.enters); got != c.enters {
				t.Errorf("%s: %s enters by %s: %v, want %v", step.name, c.source, c.service, got, c.enters)
			}
		}
	}
	if changed := w.apply(t, want); changed != 0 {
		t.Errorf("second apply changed %d things", changed)
	}
	restarted, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer restarted.Close()
	if changed, err := restarted.Filter(t.Context(), want); changed != 0 || err != nil {
		t.Errorf("a restarted agent changed %d things, %v", changed, err)
	}
}

// TestWhoEntersAPrivateUnderlaySubnet: the LAN's host has addresses of two pods, of
// a node between them, and of a host that the subnet does not give to pods. By OVN a
// pod of the overlay would enter as its node, which masquerades it.
func TestWhoEntersAPrivateUnderlaySubnet(t *testing.T) {
	w := newWorld(t)
	const open4, allowed4, open6, allowed6 = "10.16.0.5", "10.16.1.5", "fd00:10:16::5", "fd00:10:16::105"
	w.pod.IP("address add %s/32 dev eth0", allowed4)
	w.pod.IP("address add %s/128 dev eth0 nodad", allowed6)
	for _, address := range []string{"172.30.0.4/24", "172.30.0.5/24", "172.30.0.9/24", "fd00:30::4/64 nodad", "fd00:30::5/64 nodad", "fd00:30::9/64 nodad"} {
		w.lan.IP("address add %s dev eth0", address)
	}
	want := dualStack()
	want.Nodes = append(want.Nodes, netip.MustParseAddr("172.30.0.4"), netip.MustParseAddr("fd00:30::4"))
	closed := []host.PrivateSubnet{}
	for _, text := range []string{"172.30.0.0/30", "172.30.0.4/30", "fd00:30::/126", "fd00:30::4/126"} { // they touch
		closed = append(closed, host.PrivateSubnet{Prefix: netip.MustParsePrefix(text), Admits: prefixes("10.16.1.0/24")})
		if strings.Contains(text, ":") {
			closed[len(closed)-1].Admits = prefixes("fd00:10:16::100/120")
		}
	}
	for _, private := range [][]host.PrivateSubnet{nil, closed} {
		want.Private = private
		w.apply(t, want)
		for _, c := range []struct {
			source, target string
			enters         bool
		}{
			{open4, "172.30.0.2:8080", private == nil}, {open6, "[fd00:30::2]:8080", private == nil},
			{open4, "172.30.0.5:8080", private == nil}, {open6, "[fd00:30::5]:8080", private == nil},
			{open4, "10.96.0.10:80", private == nil}, {open6, "[fd00:10:96::10]:80", private == nil},
			{allowed4, "172.30.0.2:8080", true}, {allowed6, "[fd00:30::2]:8080", true},
			{allowed4, "10.96.0.10:80", true}, {allowed6, "[fd00:10:96::10]:80", true},
			{open4, "172.30.0.4:8080", true}, {open6, "[fd00:30::4]:8080", true}, // the node
			{open4, "172.30.0.9:8080", true}, {open6, "[fd00:30::9]:8080", true}, // a host
		} {
			if got := w.enters(c.source, c.target, c.enters); got != c.enters {
				t.Errorf("%d private: %s enters by %s: %v, want %v", len(private), c.source, c.target, got, c.enters)
			}
		}
		for _, pod := range []string{"172.30.0.2:8080", "[fd00:30::2]:8080"} {
			conn, err := net.DialTimeout("tcp", pod, 10*time.Second)
			if err != nil {
				t.Errorf("%d private: not from the node: %v", len(private), err)
				continue
			}
			conn.Close()
		}
	}
	if changed := w.apply(t, want); changed != 0 {
		t.Errorf("second apply changed %d things", changed)
	}
}

// enters tells whether a connection from one of the pod's addresses is made. One
// that should not be is not waited for long.
func (w world) enters(source, target string, expected bool) (made bool) {
	dialer := net.Dialer{Timeout: time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
	if expected {
		dialer.Timeout = 10 * time.Second
	}
	w.pod.Do(func() error {
		conn, err := dialer.Dial("tcp", target)
		if made = err == nil; made {
			conn.Close()
		}
		return nil
	})
	return made
}

// TestWhatGoesBackToPodsIsMasqueraded: kube-proxy's IPVS mode leaves no sign of
// its translation in a connection's status. Here none is done at all; ovn0 is a
// bridge, so that there is another pod behind it.
func TestWhatGoesBackToPodsIsMasqueraded(t *testing.T) {
	netnstest.NFT(t)
	netnstest.Enter(t)
	w := world{pod: netnstest.New(t)}
	backend := netnstest.New(t)
	for _, command := range []string{
		"link add ovn0 type bridge", "link set ovn0 up",
		"address add 100.64.0.2/16 dev ovn0", "address add fd00:100:64::2/112 dev ovn0 nodad",
		"route add 10.16.0.0/15 dev ovn0", "-6 route add fd00:10:16::/96 dev ovn0",
	} {
		netnstest.IP(t, "%s", command)
	}
	for near, pod := range map[string]*netnstest.Namespace{"16": w.pod, "17": backend} {
		pod.Cable("pod"+near, "eth0")
		netnstest.IP(t, "link set pod%s master ovn0", near)
		pod.IP("address add 10.%s.0.5/32 dev eth0", near)
		pod.IP("address add fd00:10:16::%s/128 dev eth0 nodad", near)
		pod.IP("route add default via 100.64.0.2 dev eth0 onlink")
		pod.IP("-6 route add default via fd00:100:64::2 dev eth0 onlink")
	}
	sh(t, "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
	w.serveIn(t, backend)
	client, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	w.client = client
	want := dualStack()
	want.Private = nil
	w.apply(t, want)
	for target, want := range map[string]string{"10.17.0.5:8080": "100.64.0.2", "[fd00:10:16::17]:8080": "fd00:100:64::2"} {
		if got := w.seenAs(target, 10*time.Second); got != want {
			t.Errorf("pod appears to %s as %s, want %s", target, got, want)
		}
	}
}

func TestConfinedAddressIsAnsweredOnItsDeviceOnly(t *testing.T) {
	w := newWorld(t)
	netnstest.IP(t, "link add br-encap type bridge")
	netnstest.IP(t, "link set br-encap up")
	netnstest.IP(t, "address add 192.168.0.2/16 dev br-encap")
	netnstest.IP(t, "address add 192.168.0.3/16 dev br-encap")
	w.lan.IP("address add 192.168.0.9/16 dev eth0")
	netnstest.IP(t, "route add 192.168.0.9/32 dev eth0") // so that only ARP can fail
	answered := func(target string, within time.Duration) (yes bool) {
		w.lan.Do(func() error {
			_, err := net.DialTimeout("tcp", target, within)
			yes = strings.Contains(fmt.Sprint(err), "refused")
			return nil
		})
		return yes
	}
	if !answered("192.168.0.3:9", 10*time.Second) {
		t.Fatal("the control fails: eth0 does not answer for br-encap's address")
	}
	confined := []host.Address{{Link: "br-encap", Prefix: netip.MustParsePrefix("192.168.0.2/16")}}
	if _, err := w.client.Confine(t.Context(), confined); err != nil {
		t.Fatal(err)
	}
	if answered("192.168.0.2:9", time.Second) {
		t.Error("eth0 answers for an address confined to br-encap")
	}
	if _, err := w.client.Confine(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	w.lan.IP("neigh flush dev eth0")
	if !answered("192.168.0.2:9", 10*time.Second) {
		t.Error("eth0 does not answer after the address was let go")
	}
}
