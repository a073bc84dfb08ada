package kernel

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hawser/internal/host"
	"hawser/test/netnstest"
)

func podLink(pod *netnstest.Namespace) host.PodLink {
	return host.PodLink{
		Host: "c0ffeec0ffee_h", NetNS: pod.Path(), Name: "eth0", Owner: "Pod/default/web",
		MAC: host.MAC{2, 0, 0, 0, 0, 5}, MTU: 1400,
		Addresses: []netip.Prefix{netip.MustParsePrefix("10.16.0.5/16"), netip.MustParsePrefix("fd00:10:16::5/112")},
		Routes: []host.Route{
			{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("10.16.0.1")},
			{Prefix: netip.MustParsePrefix("::/0"), Gateway: netip.MustParseAddr("fd00:10:16::1")},
			{Prefix: netip.MustParsePrefix("192.0.2.0/24")},
		},
	}
}

func openHere(t *testing.T) *Client {
	t.Helper()
	netnstest.Enter(t)
	c, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func attach(t *testing.T, c *Client, want host.PodLink) {
	t.Helper()
	if err := c.Connect(t.Context(), want); err != nil {
		t.Fatal("connect:", err)
	}
	if err := c.Configure(t.Context(), want); err != nil {
		t.Fatal("configure:", err)
	}
}

func TestPodLinkThreeLaws(t *testing.T) {
	c := openHere(t)
	pod := netnstest.New(t)
	want := podLink(pod)
	attach(t, c, want)
	if err := c.Check(t.Context(), want); err != nil {
		t.Error("law 1, as wanted:", err)
	}
	first, _ := netlink.LinkByName(want.Host)
	attach(t, c, want)
	if again, _ := netlink.LinkByName(want.Host); again.Attrs().Index != first.Attrs().Index {
		t.Error("law 2: the pair was made anew")
	}
	list, err := c.PodLinks(t.Context())
	if err != nil || !cmp.Equal(list, []host.PodLink{{Host: want.Host, Owner: want.Owner}}) {
		t.Errorf("links of pods: %+v (%v)", list, err)
	}
	for range 2 {
		if err := c.Disconnect(t.Context(), want.Host); err != nil {
			t.Error("law 3:", err)
		}
	}
	if list, _ := c.PodLinks(t.Context()); len(list) != 0 {
		t.Errorf("left: %+v", list)
	}
	if err := c.Check(t.Context(), want); err == nil {
		t.Error("a link that is gone passes the check")
	}
}

func TestPodLinkIsSilentAtTheHost(t *testing.T) {
	c := openHere(t)
	want := podLink(netnstest.New(t))
	attach(t, c, want)
	end, err := netlink.LinkByName(want.Host)
	if err != nil {
		t.Fatal(err)
	}
	if flags := end.Attrs().RawFlags; flags&0x80 == 0 { // IFF_NOARP
		t.Errorf("flags %x: it speaks ARP", flags)
	}
	if group := end.Attrs().Group; group != host.DeafGroup {
		t.Errorf("group %d: the host hears it", group)
	}
	if addresses, _ := netlink.AddrList(end, netlink.FAMILY_ALL); len(addresses) != 0 {
		t.Errorf("it has addresses: %v", addresses)
	}
}

// Open vSwitch's userspace datapath sets a device down that comes up while it
// becomes a port, so that the host end has to be up before.
func TestPodLinkIsUpBeforeItIsAPort(t *testing.T) {
	c := openHere(t)
	want := podLink(netnstest.New(t))
	if err := c.Connect(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	before, err := netlink.LinkByName(want.Host)
	if err != nil {
		t.Fatal(err)
	}
	if attrs := before.Attrs(); attrs.RawFlags&unix.IFF_UP == 0 || attrs.OperState == netlink.OperUp {
		t.Errorf("flags %x, state %s: want it up, and without carrier", attrs.RawFlags, attrs.OperState)
	}
	if err := c.Configure(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if err := c.Check(t.Context(), want); err != nil {
		t.Error(err)
	}
}

func TestPodLinksDownAndUp(t *testing.T) {
	c := openHere(t)
	want := podLink(netnstest.New(t))
	attach(t, c, want)
	netnstest.IP(t, "link add stranger type veth peer name other")
	for _, up := range []bool{false, true} {
		for _, expected := range []int{1, 0} {
			if changed, err := c.SetPodLinks(t.Context(), up); changed != expected || err != nil {
				t.Errorf("up=%v changed %d links, want %d (%v)", up, changed, expected, err)
			}
		}
		if err := c.Check(t.Context(), want); (err == nil) != up {
			t.Errorf("up=%v: %v", up, err)
		}
	}
}

func TestPodRoutesAndNoDuplicateDetection(t *testing.T) {
	c := openHere(t)
	pod := netnstest.New(t)
	attach(t, c, podLink(pod))
	pod.Do(func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		routes, err := netlink.RouteList(link, netlink.FAMILY_ALL)
		if err != nil {
			return err
		}
		var got []string
		for _, r := range routes {
			if r.Protocol == host.RouteProtocol {
				got = append(got, r.Dst.String()+" "+r.Gw.String())
			}
		}
		if text := strings.Join(got, ", "); text != "0.0.0.0/0 10.16.0.1, 192.0.2.0/24 <nil>, ::/0 fd00:10:16::1" {
			t.Errorf("routes: %s", text)
		}
		addresses, err := netlink.AddrList(link, netlink.FAMILY_V6)
		for _, a := range addresses {
			if a.Scope == 0 && a.Flags&0x40 != 0 { // IFA_F_TENTATIVE
				t.Errorf("%s is tentative", a.IP)
			}
		}
		return err
	})
}

// TestPodLinkRepairs: whatever is wrong, the same call mends it.
func TestPodLinkRepairs(t *testing.T) {
	c := openHere(t)
	pod := netnstest.New(t)
	want := podLink(pod)
	for _, damage := range []string{
		"link set eth0 address 02:00:00:00:00:99", "link set eth0 mtu 1300", "addr add 10.16.9.9/16 dev eth0",
		"addr del 10.16.0.5/16 dev eth0", "link set eth0 down", "link del eth0", "link set eth0 name eth7",
	} {
		t.Run(damage, func(t *testing.T) {
			attach(t, c, want)
			if damage == "link set eth0 name eth7" {
				pod.IP("link set eth0 down")
			}
			pod.IP("%s", damage)
			if err := c.Check(t.Context(), want); err == nil && !strings.Contains(damage, "mtu") {
				t.Error("the check does not see it")
			}
			attach(t, c, want)
			if err := c.Check(t.Context(), want); err != nil {
				t.Error("not mended:", err)
			}
		})
	}
}

func TestPodLinkRefusals(t *testing.T) {
	c := openHere(t)
	pod := netnstest.New(t)
	want := podLink(pod)
	pod.IP("link add eth0 type veth peer name other")
	if err := c.Connect(t.Context(), want); err == nil || !strings.Contains(err.Error(), "second CNI plugin") {
		t.Errorf("eth0 taken: %v", err)
	}
	netnstest.IP(t, "link add %s type bridge", want.Host)
	if err := c.Disconnect(t.Context(), want.Host); err == nil || !strings.Contains(err.Error(), "left alone") {
		t.Errorf("a bridge of that name: %v", err)
	}
	want.NetNS = "/proc/self/fd/9999"
	if err := c.Connect(t.Context(), want); err == nil || !strings.Contains(err.Error(), want.NetNS) {
		t.Errorf("no such namespace: %v", err)
	}
}

// TestPodLinkAfterItsNamespaceWent: the kernel takes the pair along, sooner or
// later; nothing may stumble over that.
func TestPodLinkAfterItsNamespaceWent(t *testing.T) {
	c := openHere(t)
	pod := netnstest.New(t)
	want := podLink(pod)
	attach(t, c, want)
	pod.IP("link del eth0")
	if err := c.Disconnect(t.Context(), want.Host); err != nil {
		t.Error(err)
	}
}

// TestPodLinkCost prints what the kernel's part of ADD and DEL takes.
func TestPodLinkCost(t *testing.T) {
	c := openHere(t)
	const rounds = 20
	var cost [3]time.Duration
	for range rounds {
		want := podLink(netnstest.New(t))
		for i, step := range []func() error{
			func() error { return c.Connect(t.Context(), want) },
			func() error { return c.Configure(t.Context(), want) },
			func() error { return c.Disconnect(t.Context(), want.Host) },
		} {
			began := time.Now()
			if err := step(); err != nil {
				t.Fatal(err)
			}
			cost[i] += time.Since(began)
		}
	}
	t.Logf("connect %s, configure %s, disconnect %s", cost[0]/rounds, cost[1]/rounds, cost[2]/rounds)
}
