package node

import (
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubeovnv1 "hawser/api/v1"
	"hawser/test/netnstest"
)

// What is behind the bond: a switch that makes one of its ports, and is a host, too.
const partnerAddress = "192.168.52.254"

// partner is that switch, with two cables to the machine: eth3 and eth4.
func partner(t testing.TB) {
	t.Helper()
	t.Cleanup(func() { _, _ = try("ip link del eth3; ip link del eth4; ip -n outside link del bond9") })
	sh(t, `ip -n outside link add bond9 type bond mode 802.3ad lacp_rate fast miimon 100
		for i in 3 4; do
			ip link add eth$i type veth peer name far$i netns outside
			ip -n outside link set far$i master bond9
			ip -n outside link set far$i up
		done
		ip -n outside address add %s/24 dev bond9
		ip -n outside link set bond9 up`, partnerAddress)
}

// TestBond: two NICs are a LACP bond with a switch, in the kernel's datapath. Either
// cable is enough, the agent is not needed for that, and nothing is left of it.
func TestBond(t *testing.T) {
	plainNIC(t)
	partner(t)
	before := members(t)
	cluster(t)
	controller(t)
	own := agent(t, first)
	n := &network{t: t, name: "bonded"}
	n.put(&kubeovnv1.ProviderNetwork{
		ObjectMeta: metav1.ObjectMeta{Name: n.name},
		Spec:       kubeovnv1.ProviderNetworkSpec{DefaultInterfaces: []string{"eth3", "eth4"}, Mode: kubeovnv1.UplinkLACP},
	})
	n.agrees("Active", "Active")
	n.subnet("green", 0, "192.168.52.0/24", partnerAddress, "192.168.52.1..192.168.52.199", partnerAddress)
	green := n.pod("green")
	reaches(t, green.at(), partnerAddress)

	pings := netnstest.PingFrom(t, green.netns(), partnerAddress, 10*time.Millisecond)
	own.end(syscall.SIGKILL)
	for _, cable := range []string{"far3", "far4"} {
		sh(t, "ip -n outside link set %s down", cable)
		reaches(t, green.at(), partnerAddress)
		reaches(t, netns("outside"), green.address)
		sh(t, "ip -n outside link set %s up", cable)
		await(t, "[ $(ip netns exec outside grep -c 'port state: 63' /proc/net/bonding/bond9) = 4 ]") // IEEE 802.1AX: both distribute
		t.Logf("%s pulled and plugged in, the agent dead: %v", cable, pings.Lost())
	}
	own.begin()
	ready(t, first)
	n.agrees("Active", "Active")
	sh(t, "ip -n outside link set far4 down")
	n.agrees("Active", "Down")
	sh(t, "ip -n outside link set far4 up")
	n.agrees("Active", "Active")
	t.Logf("from the pod, in all: %v", pings.End())
	n.leave()
	if after := members(t); after != before {
		t.Errorf("the NICs were\n%s\nand are\n%s", before, after)
	}
}

// agrees waits until the switch speaks LACP and the NICs do this.
func (n *network) agrees(states ...kubeovnv1.UplinkState) {
	n.t.Helper()
	n.until("agrees with the switch", func(status kubeovnv1.ProviderNetworkNodeStatus) bool {
		if status.Phase != kubeovnv1.PhaseReady || strings.Contains(status.Message, "no switch") || len(status.Interfaces) != len(states) {
			return false
		}
		for i, nic := range status.Interfaces {
			if nic.State != states[i] {
				return false
			}
		}
		return true
	})
}

// members are the NICs as people see them. A qdisc they get when they are up first.
func members(t testing.TB) string {
	t.Helper()
	return sh(t, "for nic in eth3 eth4; do ip -o address show dev $nic | sed 's/^[0-9]*: //'; ip -o link show dev $nic | sed 's/^[0-9]*: //; s/ qdisc [a-z_]*//; s/ state .*link/ link/'; done")
}
