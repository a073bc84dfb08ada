package kernel_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"

	"hawser/internal/host"
	"hawser/internal/kernel"
	"hawser/test/netnstest"
)

var sortStrings = cmpopts.SortSlices(func(a, b string) bool { return a < b })

// node makes what the agent finds on a node: a NIC with addresses, and the
// devices that Open vSwitch would have made, as dummies of another kind.
func node(t *testing.T) *kernel.Client {
	t.Helper()
	netnstest.Enter(t)
	lan := netnstest.New(t)
	lan.Cable("eth0", "port")
	netnstest.IP(t, "address add 172.30.0.11/24 dev eth0")
	netnstest.IP(t, "address add fd00:30::11/64 dev eth0 nodad")
	netnstest.IP(t, "route add default via 172.30.0.1")
	netnstest.IP(t, "link add ovn0 type bridge")
	netnstest.IP(t, "link add br-encap type bridge")
	client, err := kernel.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func wanted() host.Network {
	gateway4, gateway6 := netip.MustParseAddr("100.64.0.1"), netip.MustParseAddr("fd00:100:64::1")
	node4, node6 := netip.MustParseAddr("172.30.0.11"), netip.MustParseAddr("fd00:30::11")
	route := func(to string, gateway, source netip.Addr) host.Route {
		return host.Route{Link: "ovn0", Prefix: netip.MustParsePrefix(to), Gateway: gateway, Source: source}
	}
	return host.Network{
		Links: []host.Link{
			{Name: "hwencap", Kind: host.KindMacvlan, Parent: "eth0", MAC: host.MAC{2, 0, 0, 0, 0, 9}, MTU: 1500, NoARP: true, Up: true},
			{Name: "br-encap", Up: true},
			{Name: "ovn0", Up: true},
		},
		Addresses: []host.Address{
			{Link: "ovn0", Prefix: netip.MustParsePrefix("100.64.0.2/16")},
			{Link: "ovn0", Prefix: netip.MustParsePrefix("fd00:100:64::2/112")},
			{Link: "br-encap", Prefix: netip.MustParsePrefix("192.168.0.2/16")},
		},
		Routes: []host.Route{
			route("10.16.0.0/16", gateway4, node4),
			route("10.17.0.0/16", gateway4, node4),
			route("fd00:10:16::/112", gateway6, node6),
		},
		Sysctls: []host.Sysctl{
			{Key: "net/ipv4/conf/ovn0/arp_ignore", Value: "1"},
			{Key: "net/ipv6/conf/hwencap/disable_ipv6", Value: "1"},
			{Key: "net/ipv6/conf/not-there/disable_ipv6", Value: "1"},
		},
	}
}

// world is all that the namespace holds, in the words of iproute2, to compare
// before and after.
func world(t *testing.T) []string {
	t.Helper()
	var out []string
	links, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		out = append(out, "link "+link.Attrs().Name+" "+link.Type())
		addresses, _ := netlink.AddrList(link, netlink.FAMILY_ALL)
		for _, address := range addresses {
			if !address.IP.IsLinkLocalUnicast() {
				out = append(out, "address "+link.Attrs().Name+" "+address.IPNet.String())
			}
		}
		routes, _ := netlink.RouteList(link, netlink.FAMILY_ALL)
		for _, route := range routes {
			if !route.Dst.IP.IsLinkLocalUnicast() && route.Dst.String() != "ff00::/8" {
				out = append(out, "route "+route.String())
			}
		}
	}
	return out
}

func apply(t *testing.T, client *kernel.Client, want host.Network) int {
	t.Helper()
	changed, err := client.Apply(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

func TestApplyIsAsWantedThenNothingThenGone(t *testing.T) {
	client := node(t)
	before := world(t)
	if changed := apply(t, client, wanted()); changed == 0 {
		t.Error("nothing changed on an empty node")
	}
	snapshot, err := client.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range wanted().Addresses {
		if have, ok := snapshot.Holder(address.Prefix.Addr()); !ok || have != address {
			t.Errorf("address %v: have %v", address, have)
		}
	}
	link, _ := snapshot.Link("hwencap")
	link.Index, link.Carrier = 0, false // only a snapshot tells them
	if want := wanted().Links[0]; link != want {
		t.Errorf("macvlan is %+v, not %+v", link, want)
	}
	routes, _ := netlink.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Protocol: host.RouteProtocol}, netlink.RT_FILTER_PROTOCOL)
	if len(routes) != len(wanted().Routes) || routes[0].Gw.String() != "100.64.0.1" || routes[0].Src.String() != "172.30.0.11" {
		t.Errorf("routes are %v", routes)
	}
	if value, _ := os.ReadFile("/proc/sys/net/ipv4/conf/ovn0/arp_ignore"); strings.TrimSpace(string(value)) != "1" {
		t.Errorf("arp_ignore is %q", value)
	}
	if changed := apply(t, client, wanted()); changed != 0 {
		t.Errorf("second apply changed %d things", changed)
	}
	netnstest.IP(t, "link set ovn0 down")
	netnstest.IP(t, "link set br-encap down")
	apply(t, client, host.Network{})
	if diff := cmp.Diff(before, world(t), sortStrings); diff != "" {
		t.Errorf("applying nothing does not give back what was (-before +after):\n%s", diff)
	}
	if changed := apply(t, client, host.Network{}); changed != 0 {
		t.Errorf("applying nothing twice changed %d things", changed)
	}
}

func TestApplyLeavesStrangersAlone(t *testing.T) {
	client := node(t)
	netnstest.IP(t, "link set ovn0 up")
	netnstest.IP(t, "address add 100.64.9.9/16 dev ovn0")
	netnstest.IP(t, "route add 10.99.0.0/16 dev eth0")
	netnstest.IP(t, "route add 10.16.0.0/16 dev eth0 proto static")
	netnstest.IP(t, "address add 10.5.5.5/32 dev lo")
	changed, err := client.Apply(t.Context(), wanted())
	if err == nil || !strings.Contains(err.Error(), "10.16.0.0/16") {
		t.Errorf("a stranger's route in the way is not reported: %v", err)
	}
	if changed == 0 {
		t.Error("the stranger's route stopped everything else")
	}
	all := strings.Join(world(t), "\n")
	for _, kept := range []string{"Dst: 10.99.0.0/16", "10.5.5.5/32", "172.30.0.11/24"} {
		if !strings.Contains(all, kept) {
			t.Errorf("lost %s:\n%s", kept, all)
		}
	}
	if strings.Contains(all, "100.64.9.9") {
		t.Error("a stale address stays on ovn0")
	}
}

func TestApplyFollowsChanges(t *testing.T) {
	client := node(t)
	apply(t, client, wanted())
	want := wanted()
	want.Addresses[0].Prefix = netip.MustParsePrefix("100.64.0.3/16")
	want.Routes[0].Source = netip.Addr{}
	want.Routes = append(want.Routes[:1], want.Routes[2:]...)
	want.Links[0].MAC = host.MAC{2, 0, 0, 0, 0, 10}
	if changed := apply(t, client, want); changed == 0 {
		t.Error("nothing changed")
	}
	if changed := apply(t, client, want); changed != 0 {
		t.Errorf("second apply changed %d things", changed)
	}
}

func TestApplyDoesWhatItCanWithoutADevice(t *testing.T) {
	client := node(t)
	netnstest.IP(t, "link del ovn0")
	changed, err := client.Apply(t.Context(), wanted())
	if !errors.Is(err, host.ErrMissing) || !strings.Contains(err.Error(), "ovn0") {
		t.Errorf("error is %v", err)
	}
	if changed == 0 {
		t.Error("nothing done on the devices that are there")
	}
	snapshot, _ := client.Snapshot(t.Context())
	if _, ok := snapshot.Holder(netip.MustParseAddr("192.168.0.2")); !ok {
		t.Error("br-encap has no address")
	}
}

func TestMakeLeavesNewLinksDown(t *testing.T) {
	client := node(t)
	if _, err := client.Make(t.Context(), wanted().Links); err != nil {
		t.Fatal(err)
	}
	snapshot, _ := client.Snapshot(t.Context())
	if link, ok := snapshot.Link("hwencap"); !ok || link.Up {
		t.Errorf("hwencap is %+v", link)
	}
	netnstest.IP(t, "link del hwencap")
	netnstest.IP(t, "link add hwencap type bridge")
	if _, err := client.Make(t.Context(), wanted().Links); err == nil || !strings.Contains(err.Error(), "foreign") {
		t.Errorf("a foreign hwencap: %v", err)
	}
}

func TestSnapshotTellsAdvertisedRoutes(t *testing.T) {
	client := node(t)
	netnstest.IP(t, "-6 route add default via fe80::1 dev eth0 proto ra")
	snapshot, err := client.Snapshot(t.Context())
	if err != nil || len(snapshot.Advertised) != 1 || snapshot.Advertised[0] != "eth0" {
		t.Errorf("advertised %v, %v", snapshot.Advertised, err)
	}
}

func TestChangedHints(t *testing.T) {
	client := node(t)
	quiet := func() bool { return !hinted(client, 100*time.Millisecond) }
	hinted(client, 100*time.Millisecond)
	for name, command := range map[string]string{
		"a link":     "link add other type bridge",
		"an address": "address add 10.1.1.1/24 dev eth0",
		"a route":    "route add 10.77.0.0/16 via 172.30.0.1 proto 158",
	} {
		netnstest.IP(t, "%s", command)
		if !hinted(client, 10*time.Second) {
			t.Errorf("no hint after %s changed", name)
		}
		for hinted(client, 50*time.Millisecond) {
		}
	}
	netnstest.IP(t, "route add 10.78.0.0/16 via 172.30.0.1 proto bird")
	if !quiet() {
		t.Error("a hint after a stranger's route changed")
	}
}

func hinted(client *kernel.Client, within time.Duration) bool {
	select {
	case <-client.Changed():
		return true
	case <-time.After(within):
		return false
	}
}

func TestEndedContextChangesNothing(t *testing.T) {
	client := node(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if changed, err := client.Apply(ctx, wanted()); changed != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("changed %d, %v", changed, err)
	}
}
