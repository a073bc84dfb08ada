package uplink

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"hawser/internal/host"
	"hawser/test/netnstest"
)

var gateway = mac(0x0a)

// gatewayed gives the host an address, a VLAN's worth of routes and a gateway
// whose address it has resolved, and tells the NIC's own.
func gatewayed(r *rig) host.MAC {
	r.t.Helper()
	netnstest.IP(r.t, "addr add 192.0.2.1/24 dev nic")
	netnstest.IP(r.t, "route add default via 192.0.2.254 proto static")
	netnstest.IP(r.t, "neigh replace 192.0.2.254 lladdr %s dev nic nud permanent", gateway)
	link, err := net.InterfaceByName("nic")
	r.must(err)
	return host.MAC(link.HardwareAddr)
}

func ip4(protocol byte, payload ...byte) []byte {
	header := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 9, 192, 0, 2, 1}
	return append(header, payload...)
}

func ip6(next byte, payload ...byte) []byte {
	header := append([]byte{0x60, 0, 0, 0, 0, 0, next, 255}, make([]byte, 32)...)
	return append(header, payload...)
}

func udp(from, to byte, high byte) []byte { return []byte{high, from, high, to, 0, 8, 0, 0} }

// padding before the next header of IPv6.
func extension(next byte) []byte { return []byte{next, 0, 1, 4, 0, 0, 0, 0} }

func fragment(next, offset byte) []byte { return []byte{next, 0, offset, 1, 0, 0, 0, 1} }

func joined(parts ...[]byte) (out []byte) {
	for _, part := range parts {
		out = append(out, part...)
	}
	return out
}

// TestGuard: what would configure the host does not reach it from a pod, also
// behind extension headers and tags; everything else does.
func TestGuard(t *testing.T) {
	const icmp6 = unix.IPPROTO_ICMPV6
	cases := []struct {
		name    string
		kind    uint16
		payload []byte
		guarded bool
	}{
		{"router advertisement", unix.ETH_P_IPV6, ip6(icmp6, 134, 0, 0, 0), true},
		{"redirect", unix.ETH_P_IPV6, ip6(icmp6, 137, 0, 0, 0), true},
		{"router advertisement behind options", unix.ETH_P_IPV6, ip6(0, joined(extension(60), extension(icmp6), []byte{134, 0, 0, 0})...), true},
		{"first fragment of a router advertisement", unix.ETH_P_IPV6, ip6(44, joined(fragment(icmp6, 0), []byte{134, 0, 0, 0})...), true},
		{"more extension headers than anybody needs", unix.ETH_P_IPV6, ip6(0, joined(extension(60), extension(60), extension(60), extension(60), extension(60), extension(60), extension(60), extension(60), extension(icmp6), []byte{128, 0, 0, 0})...), true},
		{"later fragment", unix.ETH_P_IPV6, ip6(44, joined(fragment(icmp6, 1), []byte{134, 0, 0, 0})...), false},
		{"neighbour advertisement", unix.ETH_P_IPV6, ip6(icmp6, 136, 0, 0, 0), false},
		{"echo behind options", unix.ETH_P_IPV6, ip6(0, joined(extension(icmp6), []byte{128, 0, 0, 0})...), false},
		{"DHCPv6 answer", unix.ETH_P_IPV6, ip6(unix.IPPROTO_UDP, udp(0x23, 0x22, 2)...), true},
		{"DHCPv6 question", unix.ETH_P_IPV6, ip6(unix.IPPROTO_UDP, udp(0x22, 0x23, 2)...), false},
		{"DHCP offer", unix.ETH_P_IP, ip4(unix.IPPROTO_UDP, udp(67, 68, 0)...), true},
		{"DHCP offer with IP options", unix.ETH_P_IP, joined([]byte{0x46}, ip4(unix.IPPROTO_UDP)[1:], []byte{1, 1, 1, 0}, udp(67, 68, 0)), true},
		{"DHCP discover", unix.ETH_P_IP, ip4(unix.IPPROTO_UDP, udp(68, 67, 0)...), false},
		{"ICMP redirect", unix.ETH_P_IP, ip4(unix.IPPROTO_ICMP, 5, 1, 0, 0), true},
		{"ICMP echo", unix.ETH_P_IP, ip4(unix.IPPROTO_ICMP, 8, 0, 0, 0), false},
		{"TCP to port 68", unix.ETH_P_IP, ip4(unix.IPPROTO_TCP, udp(67, 68, 0)...), false},
		{"truncated IP header", unix.ETH_P_IP, []byte{0x45}, false},
	}
	forEachHook(t, func(t *testing.T, r *rig) {
		attached(t, r)
		r.want("wire OVS", node, frame{from: guest, to: everybody})
		r.want("wire OVS", node, frame{vlan: 7, from: guest, to: everybody})
		want := r.counters().Guarded.Frames
		for _, c := range cases {
			all, alone := "wire host", "host"
			if c.guarded {
				all, alone = "wire", ""
				want += 4
			}
			for _, vlan := range []int{0, 7} {
				t.Log(c.name)
				r.want(all, ovs, frame{vlan: vlan, from: pod, to: everybody, kind: c.kind, payload: c.payload})
				r.want(alone, ovs, frame{vlan: vlan, from: pod, to: guest, kind: c.kind, payload: c.payload})
			}
			if got := r.counters().Guarded.Frames; got != want {
				t.Errorf("%s: %d were guarded in all instead of %d", c.name, got, want)
			}
			// From the wire, it is none of our business.
			r.want("host OVS", wire, frame{from: outside, to: everybody, kind: c.kind, payload: c.payload})
		}
		r.uplink.TrustPods = true
		r.plan = planOf(r.uplink)
		r.do()
		for _, c := range cases {
			r.want("wire host", ovs, frame{from: pod, to: everybody, kind: c.kind, payload: c.payload})
		}
	})
}

// TestAnswerToTheHost: a DHCP answer to the host itself goes nowhere, because
// packet sockets of the host would see it leave. One to others does.
func TestAnswerToTheHost(t *testing.T) {
	forEachHook(t, func(t *testing.T, r *rig) {
		attached(t, r)
		own, err := r.client.find("nic")
		r.must(err)
		answer := func(client host.MAC) []byte {
			return ip4(unix.IPPROTO_UDP, joined(udp(67, 68, 0), make([]byte, 28), client[:])...)
		}
		r.want("", ovs, frame{from: pod, to: everybody, kind: unix.ETH_P_IP, payload: answer(macOf(own))})
		r.want("wire", ovs, frame{from: pod, to: everybody, kind: unix.ETH_P_IP, payload: answer(outside)})
		if got := r.counters().Guarded.Frames; got != 2 {
			t.Errorf("%d were guarded", got)
		}
	})
}
