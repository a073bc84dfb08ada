package node

import (
	"strings"
	"syscall"
	"testing"
)

// Where the host's policy routing leads, by a gateway of its own on the LAN.
const (
	policyGateway = "192.168.50.253"
	policyHost    = "203.0.113.1" // documentation's; nothing leaves the machine
)

// routerServices has the physical host give out addresses: by DHCP, to be renewed
// each half minute, and by router advertisements that are good for half a minute
// only. On the LAN the only address is the machine's.
func routerServices(t testing.TB) {
	t.Helper()
	lan(t)
	t.Cleanup(func() {
		_, _ = try("ip -n outside address del fd00:50::254/64 dev br0; ip -n outside address del fd00:100::254/64 dev br0.100; rm -f /out/dnsmasq.log")
	})
	sh(t, `ip netns exec outside sysctl -qw net.ipv6.conf.all.forwarding=1
		ip -n outside address add fd00:50::254/64 dev br0 nodad
		ip -n outside address add fd00:100::254/64 dev br0.100 nodad
		for on in 'br0 fd00:50::/64' 'br0.100 fd00:100::/64'; do
			set -- $on
			echo "interface $1 {
			    AdvSendAdvert on;
			    MinRtrAdvInterval 3;
			    MaxRtrAdvInterval 4;
			    AdvDefaultLifetime 30;
			    prefix $2 { AdvValidLifetime 30; AdvPreferredLifetime 20; };
			};"
		done >/run/radvd.conf`)
	daemon(t, "radvd", append(netns("outside"), "radvd", "--nodaemon", "--logmethod", "stderr", "--config", "/run/radvd.conf", "--pidfile", "/run/radvd.pid")...)
	daemon(t, "dnsmasq", append(netns("outside"), "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--port=0", "--no-ping",
		"--log-facility=-", "--dhcp-leasefile=/run/dnsmasq.leases", "--dhcp-authoritative", "--interface=br0", "--interface=br0.100",
		"--dhcp-range="+firstAddress+","+firstAddress+",1h", "--dhcp-range=192.168.100.150,192.168.100.160,1h",
		"--dhcp-option=option:T1,30s", "--dhcp-option=option:T2,30m")...)
}

// leases is how often the machine got its address, or got it for longer.
func leases(t testing.TB) string {
	t.Helper()
	return sh(t, "grep -c 'DHCPACK(br0) %s ' /out/dnsmasq.log || true", firstAddress)
}

// TestHostServices: the machine has its address by DHCP and router
// advertisements, and reaches a part of the world by a policy of its own. That
// goes on while pods share the NIC, also with the agent dead; and what is made
// on the NIC then works at once: a VLAN, with DHCP and advertisements of its own,
// a macvlan, and, on a second NIC, a Linux bridge with a machine on it.
func TestHostServices(t *testing.T) {
	routerServices(t)
	networkManager(t)
	nic := addressedNIC(t, "bond", leased)
	spare := spareNIC(t)
	neighbour(t, "isp", policyGateway)
	sh(t, `ip -n isp address add %s/32 dev lo
		ip route add default via %s dev %s table 200
		ip rule add priority 1000 to %s lookup 200`, policyHost, policyGateway, nic, policyHost)
	t.Cleanup(func() { _, _ = try("ip rule del priority 1000; ip route flush table 200") })
	await(t, "ping -6 -c 1 -W 2 fd00:50::254")
	cluster(t)
	controller(t)
	own := agent(t, first)
	o := watch(t, nic)
	o.ping(t, "", policyHost)

	lan, machines := share(t, provider, nic), share(t, "machines", spare)
	lan.lanSubnets()
	machines.subnet("blue", 0, "192.168.51.0/24", "192.168.51.254", "192.168.51.1..192.168.51.199", "192.168.51.254")
	flat, red, blue := lan.pod("flat"), lan.pod("red"), machines.pod("blue")
	reaches(t, blue.at(), "192.168.51.254")
	o.steady(t, "joined")
	own.end(syscall.SIGKILL)
	had := leases(t)

	lateVLAN(t, nic, red)
	o.steady(t, "with a VLAN")
	lateMacvlan(t, nic, flat)
	o.steady(t, "with a macvlan")
	lateBridge(t, spare, blue)
	o.steady(t, "with a bridge")
	await(t, "[ $(grep -c 'DHCPACK(br0) %s ' /out/dnsmasq.log) -gt %s ]", firstAddress, had)
	t.Logf("the lease was renewed: %s times before the agent died, now %s", had, leases(t))
	// By now, half a minute is over again and again.
	sh(t, "ping -6 -c 1 -W 5 fd00:50::254 && ip -6 route show default dev %[1]s | grep 'proto ra' && ip -6 address show dev %[1]s scope global | grep fd00:50:", nic)
	sh(t, "ip -6 address show dev %s.100 scope global | grep fd00:100:", nic)
	o.steady(t, "agent dead")
	t.Log(sh(t, "ip rule; ip route show table 200; ip route get %s; ip neighbour show dev %s", policyHost, nic))

	sh(t, "ip link del %s.100; ip netns del macvlan; ip netns del vm; ip link del vmbr", nic)
	own.begin()
	ready(t, first)
	lan.leave()
	machines.leave()
	o.end(t)
	o.unchanged(t, "deleted")
}

// spareNIC is a second NIC, on a LAN of its own, without an address: on the first
// one's the host would answer for its address on both, and lose frames when the
// second becomes a port of a bridge. NetworkManager
// manages it and has no profile for it.
func spareNIC(t testing.TB) string {
	t.Helper()
	t.Cleanup(func() {
		_, _ = try("ip link del eth3; ip -n outside link del br1")
	})
	sh(t, `ip link add eth3 type veth peer name far3 netns outside
		ip -n outside link add br1 type bridge
		ip -n outside link set br1 up
		ip -n outside address add 192.168.51.254/24 dev br1
		ip -n outside link set far3 master br1 up
		ip link set eth3 up`)
	await(t, "nmcli -t -f DEVICE,STATE device | grep -qx eth3:disconnected")
	return "eth3"
}

// lateVLAN makes a sub-interface, which gets its addresses by DHCP and by
// advertisements. It has a client identifier of its own: by the NIC's, dnsmasq would
// move the NIC's lease here.
func lateVLAN(t testing.TB, nic string, red pod) {
	t.Helper()
	sh(t, `ip link add link %[1]s name %[1]s.100 type vlan id 100
		sysctl -qw net/ipv6/conf/%[1]s.100/accept_ra=2
		ip link set %[1]s.100 up
		cat >/run/bound.sh <<-'END'
		#!/bin/sh
		[ "$1" != bound ] || ip address add $ip/$mask dev $interface
		END
		chmod +x /run/bound.sh
		busybox udhcpc -i %[1]s.100 -x 0x3d:00766c616e313030 -n -q -f -t 10 -s /run/bound.sh 2>&1`, nic)
	reaches(t, here, taggedAddress)
	reaches(t, here, red.address)
	address := sh(t, "ip -j -4 address show dev %s.100 | jq -r '.[0].addr_info[0].local'", nic)
	if !strings.HasPrefix(address, "192.168.100.15") && address != "192.168.100.160" {
		t.Errorf("VLAN 100 has address %s, want one of DHCP", address)
	}
	reaches(t, netns("outside"), address)
	reaches(t, red.at(), address)
	await(t, "ip -6 address show dev %s.100 scope global | grep fd00:100:", nic)
	reaches(t, here, "fd00:100::254")
}

// lateMacvlan makes one, for a container that stands beside the pods.
func lateMacvlan(t testing.TB, nic string, flat pod) {
	t.Helper()
	const address = "192.168.50.40"
	t.Cleanup(func() { _, _ = try("ip netns del macvlan") })
	sh(t, `ip netns add macvlan
		ip link add link %[1]s name eth0 netns macvlan type macvlan mode bridge
		ip -n macvlan address add %[2]s/24 dev eth0
		ip -n macvlan link set eth0 up`, nic, address)
	for _, way := range []struct {
		from place
		to   string
	}{{netns("macvlan"), outsideAddress}, {netns("outside"), address}, {flat.at(), address}, {netns("macvlan"), flat.address}} {
		reaches(t, way.from, way.to)
	}
}

// lateBridge makes a Linux bridge of a shared NIC, with a machine on it.
func lateBridge(t testing.TB, spare string, blue pod) {
	t.Helper()
	const address = "192.168.51.41"
	t.Cleanup(func() { _, _ = try("ip netns del vm; ip link del vmbr") })
	sh(t, `ip netns add vm
		ip link add vmbr type bridge forward_delay 0
		ip link set vmbr up
		ip link set %[1]s master vmbr
		ip link add vnet0 type veth peer name eth0 netns vm
		ip link set vnet0 master vmbr up
		ip -n vm link set eth0 up
		ip -n vm address add %[2]s/24 dev eth0`, spare, address)
	for _, way := range []struct {
		from place
		to   string
	}{{netns("vm"), "192.168.51.254"}, {netns("outside"), address}, {blue.at(), address}, {netns("vm"), blue.address}} {
		reaches(t, way.from, way.to)
	}
}
