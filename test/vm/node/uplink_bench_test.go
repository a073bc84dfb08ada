package node

import (
	"testing"
	"time"

	"hawser/internal/host"
	"hawser/internal/uplink"
	"hawser/test/netnstest"
	"hawser/test/traffic"
)

// BenchmarkUplink compares a pod's way to a physical host through a shared NIC
// with the way through a NIC that is a plain port of its bridge, in Open vSwitch's
// kernel datapath, and counts the host's pings that are lost while the NIC is
// attached and detached. Bridges only learn: the less they do, the more an uplink
// weighs. The processor is emulated, so that only ratios mean something.
//
//	outside ── br0 ══ eth1 ── programs ── pair ── br-lan ── pod "shared"
//	             └═══ eth2 ──────────────────── br-plain ── pod "plain"
func BenchmarkUplink(b *testing.B) {
	nic := plainNIC(b)
	openVSwitch(b)
	const interval = 5 * time.Millisecond
	pings := []*netnstest.Pings{
		netnstest.PingFrom(b, "", outsideAddress, interval), netnstest.PingFrom(b, outsideNetNS, firstAddress, interval),
	}
	for range 3 {
		join(b, nic, 0)
		time.Sleep(time.Second)
		join(b, "", 0)
		time.Sleep(time.Second)
	}
	traffic.Lost(b, pings...)

	b.Cleanup(func() {
		_, _ = try("ovs-vsctl --if-exists del-br br-plain; ovs-vsctl --if-exists del-port shared; ip netns del shared; ip netns del plain")
		join(b, "", 0)
	})
	join(b, nic, 0)
	sh(b, "ovs-vsctl add-br br-plain -- add-port br-plain eth2; ip link set eth2 up")
	plain := onBridge(b, "plain", "br-plain", "0a:00:00:00:50:0b", "192.168.50.11")
	shared := onBridge(b, "shared", host.BridgeOf(provider), podMAC, podAddress)
	before := counted(b, nic)
	traffic.Report(b, "", 300*time.Millisecond, plain, shared)
	after := counted(b, nic)
	if after.SwitchToWire.Bytes == before.SwitchToWire.Bytes {
		b.Error("the shared NIC has carried nothing")
	}
	if flooded := after.Flooded.Frames - before.Flooded.Frames; flooded > 100 { // first questions
		b.Errorf("%d frames were sent both ways because nobody knew their destination", flooded)
	}
	b.ReportMetric(0, "ns/op")
}

// counted reads the counters of a shared NIC.
func counted(b *testing.B, nic string) host.UplinkCounters {
	b.Helper()
	taps, err := uplink.Open(uplink.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer taps.Close()
	found, err := taps.Counters(host.Uplink{Provider: provider, NIC: nic})
	if err != nil {
		b.Fatal(err)
	}
	return found
}

// onBridge is a pod at a port of a bridge; both have its name. It gives its way to
// the physical host.
func onBridge(b *testing.B, name, bridge, mac, address string) traffic.Path {
	b.Helper()
	sh(b, `ip netns add %[1]s
		ip link add %[1]s type veth peer name eth0 netns %[1]s
		ip -n %[1]s link set eth0 address %[3]s up
		ip -n %[1]s address add %[4]s/24 dev eth0
		ip link set %[1]s up
		ovs-vsctl add-port %[2]s %[1]s`, name, bridge, mac, address)
	await(b, "ip netns exec %s ping -c 1 -W 2 %s", name, outsideAddress)
	return traffic.Path{From: traffic.End{NetNS: "/run/netns/" + name, Address: address}, To: traffic.End{NetNS: outsideNetNS, Address: outsideAddress}}
}
