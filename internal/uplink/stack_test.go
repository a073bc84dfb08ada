package uplink

import (
	"testing"

	"hawser/internal/host"
	"hawser/test/netnstest"
)

// share has another device than the NIC itself be shared.
func (r *rig) share(device string) {
	r.t.Helper()
	netnstest.IP(r.t, "link set %s up", device)
	r.uplink = uplinkOf("lan", device)
	r.plan = planOf(r.uplink)
	attached(r.t, r)
}

// passes sends every way, as a wire frame of one VLAN and a host's of another.
func (r *rig) passes(outer, inner int) {
	r.t.Helper()
	r.want("host OVS", wire, frame{vlan: outer, from: outside, to: everybody})
	r.want("wire OVS", node, frame{vlan: inner, from: guest, to: everybody})
	r.want("OVS", wire, frame{vlan: outer, from: outside, to: pod})
	r.want("host", wire, frame{vlan: outer, from: outside, to: guest})
	r.want("OVS", node, frame{vlan: inner, from: guest, to: pod})
	r.want("wire", node, frame{vlan: inner, from: guest, to: outside})
	r.want("wire", ovs, frame{vlan: inner, from: pod, to: outside})
	r.want("host", ovs, frame{vlan: inner, from: pod, to: guest})
	r.want("wire host", ovs, frame{vlan: inner, from: pod, to: nobody})
}

// TestBridgeAsNIC: a Linux bridge whose port is the wire.
func TestBridgeAsNIC(t *testing.T) {
	forEachHook(t, func(t *testing.T, r *rig) {
		netnstest.IP(t, "link add br0 type bridge forward_delay 0")
		netnstest.IP(t, "link set nic master br0")
		r.share("br0")
		r.passes(0, 0)
	})
}

// TestBondAsNIC: an active-backup bond.
func TestBondAsNIC(t *testing.T) {
	forEachHook(t, func(t *testing.T, r *rig) {
		netnstest.Needs(t, "link add bond0 type bond mode active-backup")
		netnstest.IP(t, "link set nic down")
		netnstest.IP(t, "link set nic master bond0")
		netnstest.IP(t, "link set bond0 up")
		r.share("bond0")
		r.passes(0, 0)
		r.must(r.client.Own(r.uplink, host.Station{VLAN: 9, MAC: pod}))
		r.passes(9, 9)
	})
}

// TestVLANAsNIC: untagged for the host and OVS is one VLAN of the wire.
func TestVLANAsNIC(t *testing.T) {
	forEachHook(t, func(t *testing.T, r *rig) {
		netnstest.Needs(t, "link add link nic name nic.7 type vlan id 7")
		r.share("nic.7")
		r.passes(7, 0)
	})
}

// TestVLANOnNIC: the host's VLAN, and its address in it, are the host's; what
// the host sends there has its tag in the metadata.
func TestVLANOnNIC(t *testing.T) {
	forEachHook(t, func(t *testing.T, r *rig) {
		netnstest.Needs(t, "link add link nic name nic.7 address %s type vlan id 7", mac(0x50))
		netnstest.IP(t, "link set nic.7 up")
		netnstest.IP(t, "addr add 192.0.2.1/24 dev nic.7")
		netnstest.IP(t, "route add default via 192.0.2.254")
		netnstest.IP(t, "neigh replace 192.0.2.254 lladdr %s dev nic.7 nud permanent", gateway)
		r.do()
		own, err := r.client.find("nic")
		r.must(err)
		r.knows(map[station]uint32{{MAC: macOf(own)}: roleHost, {VLAN: 7, MAC: mac(0x50)}: roleHost, {VLAN: 7, MAC: gateway}: roleHop})
		r.ports = map[port]*packets{node: openPackets(t, "nic.7"), ovs: openPackets(t, r.uplink.Tap)}
		r.wire.Do(func() error { r.ports[wire] = openPackets(t, "far"); return nil })
		r.must(r.client.Own(r.uplink, host.Station{VLAN: 7, MAC: pod}))
		r.want("OVS", node, frame{from: mac(0x50), to: pod})
		r.want("wire OVS", node, frame{from: mac(0x50), to: nobody})
	})
}

// TestTagsOfMachines: what a machine on a bridge over the NIC tags has its tag in
// the metadata when it leaves, because the bridge took it out of the frame.
func TestTagsOfMachines(t *testing.T) {
	forEachHook(t, func(t *testing.T, r *rig) {
		machine := netnstest.New(t)
		machine.Cable("vm", "eth0")
		netnstest.IP(t, "link add br0 type bridge forward_delay 0")
		netnstest.IP(t, "link set br0 up")
		netnstest.IP(t, "link set nic master br0")
		netnstest.IP(t, "link set vm master br0")
		r.do()
		r.ports = map[port]*packets{ovs: openPackets(t, r.uplink.Tap)}
		machine.Do(func() error { r.ports[node] = openPackets(t, "eth0"); return nil })
		r.wire.Do(func() error { r.ports[wire] = openPackets(t, "far"); return nil })
		r.must(r.client.Own(r.uplink, host.Station{VLAN: 100, MAC: pod}))
		r.passes(100, 100)
		r.want("wire OVS", node, frame{vlan: 200, from: guest, to: pod})
	})
}
