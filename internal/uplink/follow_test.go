package uplink

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"hawser/internal/host"
	"hawser/test/netnstest"
)

func (r *rig) follow() []string {
	r.t.Helper()
	mended, err := r.client.Follow(r.t.Context(), r.uplink)
	r.must(err)
	return mended
}

// TestPairFollowsNIC in its MTU and carrier, and says nothing of it.
func TestPairFollowsNIC(t *testing.T) {
	r := newRig(t, Options{})
	r.do()
	tapIs := func(want string) {
		t.Helper()
		if shown := run(t, "ip", "link", "show", "dev", r.uplink.Tap); !strings.Contains(shown, want) {
			t.Errorf("%q is not in %s", want, shown)
		}
	}
	tapIs("LOWER_UP")
	for _, change := range []struct {
		how  func()
		want string
	}{
		{func() { r.wire.IP("link set far down") }, "NO-CARRIER"},
		{func() { r.wire.IP("link set far up") }, "LOWER_UP"},
		{func() { netnstest.IP(t, "link set nic down") }, "NO-CARRIER"},
		{func() { netnstest.IP(t, "link set nic up") }, "LOWER_UP"},
		{func() { netnstest.IP(t, "link set nic mtu 9000") }, "mtu 9000"},
		{func() { netnstest.IP(t, "link set nic mtu 1280") }, "mtu 1280"},
	} {
		change.how()
		if mended := r.follow(); len(mended) != 0 {
			t.Errorf("mended %v", mended)
		}
		tapIs(change.want)
		if mended := r.follow(); len(mended) != 0 {
			t.Errorf("mended %v", mended)
		}
	}
}

// TestMending does again what somebody has undone, once, and says so.
func TestMending(t *testing.T) {
	forEachHook(t, func(t *testing.T, r *rig) {
		attached(t, r)
		r.mends("promiscuous mode of nic", func() { netnstest.IP(t, "link set nic promisc off") })
		r.mends("the programs of nic", func() {
			if r.client.options.Legacy {
				run(t, "tc", "qdisc", "del", "dev", "nic", "clsact")
				return
			}
			r.must(removeLink(r.client.pin(r.uplink, pinOfLink(programWire))))
		})
		r.want("OVS", wire, frame{from: outside, to: pod})
		netnstest.IP(t, "link del host0")
		r.undo()
		if r.isPromisc() {
			t.Error("promisc was left behind")
		}
	})
}

func (r *rig) isPromisc() bool {
	r.t.Helper()
	nic, err := r.client.find(r.uplink.NIC)
	r.must(err)
	return isPromisc(nic)
}

func (r *rig) mends(what string, harm func()) {
	r.t.Helper()
	harm()
	if mended := r.follow(); len(mended) != 1 || !strings.Contains(mended[0], what) {
		r.t.Errorf("mended %v", mended)
	}
	if mended := r.follow(); len(mended) != 0 {
		r.t.Errorf("mended %v", mended)
	}
}

// TestSeeds are the host's own addresses on the NIC and on what stands on it, and
// those of its next hops, of all kinds of routes.
func TestSeeds(t *testing.T) {
	r := newRig(t, Options{})
	own := gatewayed(r)
	netnstest.IP(t, "route add 198.51.100.0/24 table 77 nexthop via 192.0.2.250 dev nic weight 1 nexthop via 192.0.2.251 dev nic weight 1")
	netnstest.IP(t, "addr add 2001:db8::1/64 dev nic nodad")
	netnstest.IP(t, "route add 2001:db8:1::/48 via 2001:db8::fe dev nic")
	netnstest.IP(t, "route add 203.0.113.0/24 via inet6 2001:db8::fd dev nic")
	netnstest.IP(t, "route add 198.18.0.0/15 via 192.0.2.249 proto bgp")
	hops := []string{"192.0.2.250", "192.0.2.251", "2001:db8::fe", "2001:db8::fd"}
	resolve := func() {
		for i, ip := range append(hops, "192.0.2.249", "192.0.2.99") {
			netnstest.IP(t, "neigh replace %s lladdr %s dev nic nud permanent", ip, mac(byte(0x20+i)))
		}
	}
	resolve()
	netnstest.IP(t, "link add mv link nic address %s type macvlan mode bridge", mac(0x30))
	netnstest.IP(t, "link add br0 address %s type bridge", mac(0x31))
	netnstest.IP(t, "link add elsewhere address %s type bridge", mac(0x32))
	r.do()
	want := map[station]uint32{{MAC: own}: roleHost, {MAC: mac(0x30)}: roleHost, {MAC: gateway}: roleHop}
	for i := range hops {
		want[station{MAC: mac(byte(0x20 + i))}] = roleHop
	}
	r.knows(want)
	netnstest.IP(t, "link del mv")
	netnstest.IP(t, "link set nic address %s", mac(0x40)) // which forgets all neighbours
	resolve()
	netnstest.IP(t, "route del default")
	delete(want, station{MAC: mac(0x30)})
	delete(want, station{MAC: own})
	delete(want, station{MAC: gateway})
	want[station{MAC: mac(0x40)}] = roleHost
	r.follow()
	r.knows(want)
	netnstest.IP(t, "link set nic master br0")
	want[station{MAC: mac(0x31)}] = roleHost
	r.follow()
	r.knows(want)
}

func (r *rig) knows(want map[station]uint32) {
	r.t.Helper()
	opened, err := r.client.openMap(r.uplink, mapKnown)
	r.must(err)
	defer opened.Close()
	have, err := readAll[uint32](opened)
	r.must(err)
	if fmt.Sprint(have) != fmt.Sprint(want) {
		r.t.Errorf("known are\n%v instead of\n%v", have, want)
	}
}

// TestKeep: as wanted; again, nothing changes; nothing wanted, nothing is left.
func TestKeep(t *testing.T) {
	r := newRig(t, Options{})
	if _, err := r.client.Keep(t.Context(), r.uplink, host.Behind{}); err == nil {
		t.Error("stations were kept where nothing is loaded")
	}
	r.do()
	want := host.Behind{Stations: []host.Station{{MAC: pod}, {VLAN: 5, MAC: pod}, {MAC: nested}}, Learn: true}
	steps := []struct {
		want    host.Behind
		changed int
	}{{want, 4}, {want, 0}, {host.Behind{Stations: want.Stations[1:], Learn: true}, 1}, {host.Behind{}, 3}, {host.Behind{}, 0}}
	for i, step := range steps {
		if changed, err := r.client.Keep(t.Context(), r.uplink, step.want); err != nil || changed != step.changed {
			t.Errorf("step %d changed %d instead of %d (%v)", i, changed, step.changed, err)
		}
	}
	r.must(r.client.Own(r.uplink, want.Stations...))
	r.must(r.client.Own(r.uplink, want.Stations[0]))
	r.must(r.client.Disown(r.uplink, want.Stations...))
	r.must(r.client.Disown(r.uplink, want.Stations[0]))
	if changed, err := r.client.Keep(t.Context(), r.uplink, host.Behind{}); err != nil || changed != 0 {
		t.Errorf("%d were left (%v)", changed, err)
	}
}

// TestLearningSurvivesSettings: a plan with other options keeps what Keep has set.
func TestLearningSurvivesSettings(t *testing.T) {
	r := newRig(t, Options{})
	r.listen()
	r.keep(host.Behind{Learn: true})
	r.uplink.TrustPods = true
	r.plan = planOf(r.uplink)
	r.do()
	r.want("wire host", ovs, frame{from: nested, to: everybody})
	r.want("OVS", wire, frame{from: outside, to: nested})
}

// TestLimits are told in words that say what to do.
func TestLimits(t *testing.T) {
	r := newRig(t, Options{})
	r.do()
	device, err := indexOf("nic")
	r.must(err)
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()}})
	r.must(err)
	defer program.Close()
	attached, err := link.AttachXDP(link.XDPOptions{Program: program, Interface: device, Flags: link.XDPGenericMode})
	r.must(err)
	defer attached.Close()
	state, err := r.client.State(t.Context(), r.uplink)
	r.must(err)
	if len(state.Limits) != 1 || state.Limits[0].Reason != LimitXDP || !strings.Contains(state.Limits[0].Message, "nic") {
		t.Errorf("limits are %+v", state.Limits)
	}
}

// TestMarkIsExact: a frame that the host has marked otherwise keeps its mark, and
// nobody sees ours.
func TestMarkIsExact(t *testing.T) {
	forEachHook(t, func(t *testing.T, r *rig) {
		netnstest.NFT(t)
		attached(t, r)
		// host0 is what the host sees; hww's egress is what Open vSwitch sees.
		run(t, "nft", fmt.Sprintf(`table netdev seen {
			chain host { type filter hook ingress device host0 priority 0; meta mark != 0 counter comment "marked"; }
			chain ovs { type filter hook ingress device %s priority 0; meta mark != 0 counter comment "marked"; }
		}`, r.uplink.Tap))
		r.want("wire host", ovs, frame{from: pod, to: everybody})
		r.want("wire OVS", node, frame{from: guest, to: everybody})
		r.want("host OVS", wire, frame{from: outside, to: everybody})
		r.want("host", ovs, frame{from: pod, to: guest})
		shown := run(t, "nft", "list", "table", "netdev", "seen")
		if strings.Count(shown, "counter packets 0 bytes 0") != 2 {
			t.Errorf("marked frames were seen:\n%s", shown)
		}
	})
}

// hardware is what ethtool would say of NICs; no virtual device merges frames.
type hardware struct {
	toggler
	lro   map[string]bool
	stuck map[string]bool
}

func (h *hardware) Features(device string) (map[string]bool, error) {
	return map[string]bool{featureLRO: h.lro[device]}, nil
}

func (h *hardware) Change(device string, to map[string]bool) error {
	if h.stuck[device] {
		return errors.ErrUnsupported
	}
	h.lro[device] = to[featureLRO]
	return nil
}

// TestLRO is off on the NIC and on all that it stands on, while it is shared, and
// afterwards on where it was on. One that stays on is a limit.
func TestLRO(t *testing.T) {
	r := newRig(t, Options{})
	netnstest.IP(t, "link add br0 type bridge forward_delay 0")
	for _, port := range []string{"p1", "p2", "p3"} {
		netnstest.IP(t, "link add %s type veth peer name %sb", port, port)
		netnstest.IP(t, "link set %s master br0 up", port)
	}
	netnstest.IP(t, "link set br0 up")
	was := map[string]bool{"br0": true, "p1": true, "p2": false, "p3": true, "nic": true}
	nics := &hardware{toggler: r.client.tool, lro: maps.Clone(was), stuck: map[string]bool{"p3": true}}
	r.client.tool = nics
	r.uplink = uplinkOf("lan", "br0")
	r.plan = planOf(r.uplink)
	r.do()
	if want := map[string]bool{"br0": false, "p1": false, "p2": false, "p3": true, "nic": true}; !maps.Equal(nics.lro, want) {
		t.Errorf("while shared, LRO is %v", nics.lro)
	}
	state, err := r.client.State(t.Context(), r.uplink)
	r.must(err)
	if len(state.Limits) != 1 || state.Limits[0].Reason != LimitLRO || !strings.Contains(state.Limits[0].Message, "p3") {
		t.Errorf("limits are %+v", state.Limits)
	}
	if mended := r.follow(); len(mended) != 0 {
		t.Errorf("mended %v", mended)
	}
	r.mends("LRO of p1 was", func() { nics.lro["p1"] = true })
	r.undo()
	if !maps.Equal(nics.lro, was) {
		t.Errorf("afterwards, LRO is %v", nics.lro)
	}
}
