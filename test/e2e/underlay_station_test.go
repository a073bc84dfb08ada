package e2e

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/cilium/ebpf"
)

// TestUnderlayStations: a station is a MAC on a VLAN, and the uplink's tables of
// stations save copies and decide nothing: one MAC on two VLANs is two stations,
// and nobody loses a frame when the tables are emptied.
func TestUnderlayStations(t *testing.T) {
	u := newUnderlayNet(t, "table")
	node := u.flat[0].node
	t.Run("one MAC on two VLANs", func(t *testing.T) { oneMACOnTwoVLANs(t, node) })
	t.Run("emptied tables", func(t *testing.T) { emptiedTables(t, u) })
}

// oneMACOnTwoVLANs: two pods, and a pod and a macvlan of the host.
func oneMACOnTwoVLANs(t *testing.T, node string) {
	const podsMAC, guestMAC, guest = "0a:00:00:00:aa:01", "0a:00:00:00:aa:02", "172.30.0.71"
	twin := func(namespace, name, mac string) placed {
		note := map[string]string{"ovn.kubernetes.io/mac_address": mac}
		return started(t, placed{namespace: namespace, name: name, node: node}, podYAML(namespace, name, node, note))
	}
	flat, red, other := twin("table-flat", "twin-flat", podsMAC), twin("table-red", "twin-red", podsMAC), twin("table-red", "twin-guest", guestMAC)
	guestOn(t, node, guest, guestMAC)
	time.Sleep(3 * time.Second) // in userspace, Open vSwitch may drop a frame while links come and go
	streams := map[string]*pings{
		"untagged pod":                 startPings(t, machineNetns(t, "flathost"), flat.ips[0]),
		"pod on VLAN 100":              startPings(t, machineNetns(t, "redhost"), red.ips[0]),
		"untagged macvlan":             startPings(t, machineNetns(t, "flathost"), guest),
		"pod with the macvlan's MAC":   startPings(t, machineNetns(t, "redhost"), other.ips[0]),
		"from the untagged pod":        startPings(t, netnsOf(t, flat.name), hostOf(flat.ips[0], flatHost4, flatHost6)),
		"from the pod on VLAN 100":     startPings(t, netnsOf(t, red.name), hostOf(red.ips[0], redHost4, redHost6)),
		"from the macvlan's other pod": startPings(t, netnsOf(t, other.name), hostOf(other.ips[0], redHost4, redHost6)),
	}
	time.Sleep(5 * time.Second)
	for way, stream := range streams {
		if seen := stream.end(); seen.Lost > 0 {
			t.Errorf("%s: %v", way, seen)
		}
	}
}

// emptiedTables empties them ten times a second, under traffic of host and pods.
func emptiedTables(t *testing.T, u underlayNet) {
	flat, red := u.flat[0], u.red[0]
	world := startHostTraffic(t, "flathost", hostOf(address(t, flat.node), flatHost4, flatHost6), flat.node)
	streams := []*pings{
		startPings(t, netnsOf(t, flat.name), hostOf(flat.ips[0], flatHost4, flatHost6)),
		startPings(t, netnsOf(t, flat.name), address(t, flat.node)),
		startPings(t, netnsOf(t, red.name), hostOf(red.ips[0], redHost4, redHost6)),
		startPings(t, machineNetns(t, "redhost"), red.ips[0]),
	}
	time.Sleep(3 * time.Second)
	for range 30 {
		emptyTables(t, flat.node, "table")
		time.Sleep(100 * time.Millisecond)
	}
	time.Sleep(5 * time.Second)
	if lost := world.end(t); lost > 0 {
		t.Errorf("the host lost %d pings", lost)
	}
	for _, stream := range streams {
		if seen := stream.end(); seen.Lost > 0 {
			t.Errorf("a pod ↔ %v: %v", stream.target, seen)
		}
	}
}

// emptyTables takes every station out of the tables of a node's shared eth0.
func emptyTables(t testing.TB, node, provider string) {
	t.Helper()
	process := filepath.Dir(filepath.Dir(machineNetns(t, node)))
	for _, name := range []string{"heard_wire", "heard_host", "heard_ovs", "owned", "known"} {
		table, err := ebpf.LoadPinnedMap(filepath.Join(process, "root/sys/fs/bpf/hawser", provider, "eth0", name), nil)
		if err != nil {
			t.Fatal(err)
		}
		var stations [][]byte
		var station, value []byte
		for entries := table.Iterate(); entries.Next(&station, &value); {
			stations = append(stations, station)
		}
		for _, station := range stations {
			_ = table.Delete(station) // it may have been forgotten since
		}
		table.Close()
	}
}
