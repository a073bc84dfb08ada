package node

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"hawser/internal/host"
)

// The pod on the physical network.
const (
	podMAC     = "0a:00:00:00:50:0a"
	podAddress = "192.168.50.10"
)

// guest is a pod on the physical network: a port of the provider's bridge.
func guest(t testing.TB) {
	t.Helper()
	t.Cleanup(func() { _, _ = try("ovs-vsctl --if-exists del-port guest; ip netns del guest") })
	sh(t, `ip netns add guest
		ip link add guest type veth peer name eth0 netns guest
		ip -n guest link set eth0 address %s up
		ip -n guest address add %s/24 dev eth0
		ip link set guest up
		ovs-vsctl add-port %s guest`, podMAC, podAddress, host.BridgeOf(provider))
	for _, neighbour := range []string{outsideAddress, firstAddress, virtual, peer} {
		await(t, "ip netns exec guest ping -c 1 -W 2 %s", neighbour)
	}
}

// TestSharedUplink kills the agent at every place of joining, and again and again
// while it leaves, and ovs-vswitchd once: nobody on the machine notices, nor who
// pings it. What the agent's whole program does is TestTeam's; here is each place
// where it may die.
func TestSharedUplink(t *testing.T) {
	for _, kind := range []string{"lacp", "bond"} {
		t.Run(kind, func(t *testing.T) {
			networkManager(t)
			nic := managedNIC(t, kind)
			openVSwitch(t)
			pair(t, nic)
			o := watch(t, nic)
			told := said(t)
			o.ping(t, outsideNetNS, virtual)

			places := everyPlace(t, nic)
			t.Logf("killed at %d places of joining", places)
			join(t, nic, 0)
			guest(t)
			restartVSwitch(t)
			guestAgain(t)
			sh(t, "ovs-vsctl del-port guest; ip netns del guest") // a bridge with another's port stays
			places = everyPlace(t, "")
			t.Logf("killed %d times while leaving", places)
			join(t, "", 0)

			o.end(t)
			if diff := cmp.Diff(told, said(t)); diff != "" {
				t.Errorf("Keepalived noticed:\n%s", diff)
			}
			o.unchanged(t, "it left")
		})
	}
}

// everyPlace kills an agent at the first place, the next one at the second, and
// so on until one gets through.
func everyPlace(t testing.TB, nic string) (places int) {
	t.Helper()
	for place := 1; join(t, nic, place); place++ {
		places = place
	}
	return places
}

// guestAgain waits until the pod's network is back.
func guestAgain(t testing.TB) {
	t.Helper()
	await(t, "ip netns exec guest ping -c 1 -W 2 %s && ip netns exec guest ping -c 1 -W 2 %s", outsideAddress, firstAddress)
}

// restartVSwitch kills ovs-vswitchd, which its container then starts again.
func restartVSwitch(t testing.TB) {
	t.Helper()
	sh(t, `cp /run/openvswitch/ovs-vswitchd.pid /run/killed.pid
		kill -9 $(cat /run/killed.pid)`)
	await(t, "! cmp -s /run/openvswitch/ovs-vswitchd.pid /run/killed.pid && ovs-appctl dpif/show")
}
