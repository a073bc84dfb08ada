package node

import (
	"strings"
	"testing"
	"time"

	"hawser/test/netnstest"
)

// The addresses on the LAN: the machine, which is the node that is tested, a
// second node, and the physical host outside, which is the gateway too.
const (
	firstAddress   = "192.168.50.1"
	secondAddress  = "192.168.50.2"
	outsideAddress = "192.168.50.254"
	outsideNetNS   = "/run/netns/outside"
	// The physical host has an address in VLAN 100 too.
	taggedAddress = "192.168.100.1"
)

// lan makes the network that the machine's NICs lead to: a switch with a
// physical host on it, which is the gateway to the API server. It stays for all
// tests.
//
//	API server ── eth0 │ netns outside: br0 192.168.50.254 ── (agg) ── far1, far2 ══ eth1, eth2
//	                   │                br0.100 192.168.100.1
func lan(t testing.TB) {
	t.Helper()
	once.lan.Do(func() {
		sh(t, `modprobe -a virtio_net veth bridge bonding 8021q
			ip netns add outside
			ip link set eth0 netns outside
			ip netns exec outside sysctl -qw net.ipv4.ip_forward=1
			ip -n outside link set lo up
			ip -n outside link set eth0 up
			ip -n outside address add 10.0.2.15/24 dev eth0
			ip -n outside link add br0 type bridge
			ip -n outside link set br0 up
			ip -n outside address add %s/24 dev br0
			ip -n outside link add link br0 name br0.100 type vlan id 100
			ip -n outside link set br0.100 up
			ip -n outside address add %s/24 dev br0.100
			ip netns exec outside nft 'add table ip outside; add chain ip outside leaving { type nat hook postrouting priority 100; }; add rule ip outside leaving oifname eth0 masquerade'`,
			outsideAddress, taggedAddress)
	})
}

// nics gives the machine its two NICs, eth1 and eth2, as long as the test runs.
// With lacp, the switch's two ports are one aggregate.
func nics(t testing.TB, lacp bool) {
	t.Helper()
	lan(t)
	t.Cleanup(func() { _, _ = try("ip link del eth1; ip link del eth2; ip -n outside link del agg") })
	sh(t, `for i in 1 2; do ip link add eth$i type veth peer name far$i netns outside; done`)
	if lacp {
		sh(t, `ip -n outside link add agg type bond mode 802.3ad miimon 100 lacp_rate fast
			for i in 1 2; do ip -n outside link set far$i master agg; done
			ip -n outside link set agg master br0
			ip -n outside link set agg up`)
	} else {
		sh(t, "for i in 1 2; do ip -n outside link set far$i master br0; done")
	}
	sh(t, "for i in 1 2; do ip -n outside link set far$i up; done")
}

// plainNIC gives the machine its address on eth1 alone, made by nobody.
func plainNIC(t testing.TB) string {
	t.Helper()
	nics(t, false)
	sh(t, `ip link set eth1 up
		ip address add %s/24 dev eth1
		ip route replace default via %s`, firstAddress, outsideAddress)
	await(t, "ping -c 1 -W 1 %s", outsideAddress)
	return "eth1"
}

// neighbour is another machine on the LAN, in a namespace of its name, until the
// test ends.
func neighbour(t testing.TB, name, address string) place {
	t.Helper()
	t.Cleanup(func() { _, _ = try("ip netns del " + name) })
	sh(t, `ip netns add %[1]s
		ip link add eth0 netns %[1]s type veth peer name %[1]s netns outside
		ip -n outside link set %[1]s master br0 up
		ip -n %[1]s link set lo up
		ip -n %[1]s link set eth0 up
		ip -n %[1]s address add %[2]s/24 dev eth0`, name, address)
	return netns(name)
}

// profiles of NetworkManager, each for a device with eth1 and eth2 as its ports.
var profiles = map[string]string{
	"activebackup": `type team con-name uplink ifname team0 team.runner activebackup`,
	"lacp":         `type team con-name uplink ifname team0 team.runner lacp team.runner-fast-rate yes`,
	"bond":         `type bond con-name uplink ifname bond0 bond.options mode=active-backup,miimon=100`,
}

// How a profile gives the machine its address: as an operator wrote it, or by DHCP
// and router advertisements.
const (
	fixed  = `ipv4.method manual ipv4.addresses ` + firstAddress + `/24 ipv4.gateway ` + outsideAddress + ` ipv6.method disabled`
	leased = `ipv4.method auto ipv6.method auto`
)

// managedNIC lets NetworkManager, which runs, make a team or bond with the
// machine's address, and gives its name. It is gone when the test ends.
func managedNIC(t testing.TB, kind string) string {
	t.Helper()
	return addressedNIC(t, kind, fixed)
}

// addressedNIC does the same with the address from elsewhere.
func addressedNIC(t testing.TB, kind, addressing string) string {
	t.Helper()
	nics(t, kind == "lacp")
	device, port := "team0", "team"
	if kind == "bond" {
		device, port = "bond0", "bond"
	}
	t.Cleanup(func() {
		_, _ = try(`nmcli -t -f UUID connection | xargs -n1 nmcli connection delete`)
		_, _ = try("pkill -x teamd; ip link del " + device)
	})
	sh(t, `udevadm settle --timeout=60
		nmcli connection add %[1]s %[2]s
		for i in 1 2; do
			nmcli connection add type ethernet con-name port$i ifname eth$i controller %[3]s port-type %[4]s
			nmcli --wait 60 connection up port$i
		done
		nmcli --wait 60 connection up uplink`, profiles[kind], addressing, device, port)
	await(t, "ping -c 1 -W 1 %s", outsideAddress)
	return device
}

// teamd is the process of a team; while it is the same one the team was not
// made anew.
func teamd(t testing.TB) string {
	t.Helper()
	return sh(t, "pgrep -x teamd")
}

// pingOutside pings both ways, each 5 ms, until the answer is asked for.
func pingOutside(t testing.TB) func() []netnstest.Loss {
	t.Helper()
	const interval = 5 * time.Millisecond
	out := netnstest.PingFrom(t, "", outsideAddress, interval)
	back := netnstest.PingFrom(t, outsideNetNS, firstAddress, interval)
	return func() []netnstest.Loss { return []netnstest.Loss{out.End(), back.End()} }
}

// noLoss fails for every stream that lost a ping.
func noLoss(t testing.TB, seen []netnstest.Loss) {
	t.Helper()
	for _, loss := range seen {
		t.Log(loss)
		if loss.Lost > 0 {
			t.Errorf("lost: %v", loss)
		}
	}
}

// reaches wants an answer, and then all of four.
func reaches(t testing.TB, from place, to string) {
	t.Helper()
	await(t, "%s", from.on("ping -q -c 1 -W 2 "+to))
	out, err := try(from.on("ping -q -c 4 -i 0.2 -W 5 " + to))
	if err != nil || !strings.Contains(out, " 0% packet loss") {
		t.Errorf("from %v to %s:\n%s", from, to, out)
	}
}

// TestNoLossIsMeasured is the control of all others: a cut of 20 ms is seen. The
// carrier stays: without it pings would wait for the neighbour to be found again.
func TestNoLossIsMeasured(t *testing.T) {
	plainNIC(t)
	pings := pingOutside(t)
	time.Sleep(time.Second)
	sh(t, "ip -n outside link set far1 nomaster; sleep 0.02; ip -n outside link set far1 master br0")
	time.Sleep(time.Second)
	for _, loss := range pings() {
		t.Log(loss)
		if loss.Lost == 0 || loss.Sent < 100 {
			t.Errorf("a cut of 20 ms: %v", loss)
		}
	}
}
