package uplink

import (
	"testing"
	"time"

	"hawser/internal/host"
)

// What the tests of the switch have behind its ports.
var (
	outside = mac(0x01) // on the wire
	guest   = mac(0x02) // behind a bridge or a macvlan of the host
	pod     = mac(0x03) // behind OVS, as the agent says
	nested  = mac(0x04) // behind OVS, in a pod with layer2_forward
	nobody  = mac(0x09)
)

// attached is a rig with one pod.
func attached(t *testing.T, r *rig) {
	t.Helper()
	r.listen()
	r.must(r.client.Own(r.uplink, host.Station{MAC: pod}))
}

// TestUnknownUnicast is at both other ports, groups as well, and counted.
func TestUnknownUnicast(t *testing.T) {
	forEachHook(t, func(t *testing.T, r *rig) {
		attached(t, r)
		before := r.counters()
		r.want("host OVS", wire, frame{from: outside, to: nobody})
		r.want("wire OVS", node, frame{from: guest, to: nobody})
		r.want("wire host", ovs, frame{from: pod, to: nobody})
		after := r.counters()
		if got := after.Flooded.Frames - before.Flooded.Frames; got != 3 {
			t.Errorf("%d were counted as flooded", got)
		}
		for _, group := range []host.MAC{everybody, {0x33, 0x33, 0, 0, 0, 1}, {1, 0, 0x5e, 0, 0, 18}} {
			r.want("host OVS", wire, frame{from: outside, to: group})
			r.want("wire OVS", node, frame{from: guest, to: group})
			r.want("wire host", ovs, frame{from: pod, to: group})
		}
		if got := r.counters(); got.Flooded != after.Flooded || got.Failed.Frames != 0 {
			t.Errorf("counters are %+v", got)
		}
	})
}

// TestKnownUnicast is at its port alone, tagged or not.
func TestKnownUnicast(t *testing.T) {
	forEachHook(t, func(t *testing.T, r *rig) {
		attached(t, r)
		for _, vlan := range []int{0, 100} {
			r.must(r.client.Own(r.uplink, host.Station{VLAN: vlan, MAC: pod}))
			r.want("host OVS", wire, frame{vlan: vlan, from: outside, to: everybody})
			r.want("wire OVS", node, frame{vlan: vlan, from: guest, to: everybody})
			r.want("OVS", wire, frame{vlan: vlan, from: outside, to: pod})
			r.want("OVS", node, frame{vlan: vlan, from: guest, to: pod})
			r.want("wire", ovs, frame{vlan: vlan, from: pod, to: outside})
			r.want("host", ovs, frame{vlan: vlan, from: pod, to: guest})
			r.want("host", wire, frame{vlan: vlan, from: outside, to: guest})
			r.want("wire", node, frame{vlan: vlan, from: guest, to: outside})
		}
		if got := r.counters(); got.Flooded.Frames+got.Spoofed.Frames+got.Reflected.Frames+got.Guarded.Frames+got.Failed.Frames != 0 {
			t.Errorf("counters are %+v", got)
		}
	})
}

// TestOneAddressOnTwoVLANs is two stations.
func TestOneAddressOnTwoVLANs(t *testing.T) {
	forEachHook(t, func(t *testing.T, r *rig) {
		r.listen()
		r.must(r.client.Own(r.uplink, host.Station{VLAN: 10, MAC: pod}))
		r.want("wire OVS", node, frame{vlan: 20, from: pod, to: everybody})
		r.want("OVS", wire, frame{vlan: 10, from: outside, to: pod})
		r.want("host", wire, frame{vlan: 20, from: outside, to: pod})
		r.want("host OVS", wire, frame{vlan: 30, from: outside, to: pod})
		if got := r.counters(); got.Spoofed.Frames != 0 {
			t.Errorf("counters are %+v", got)
		}
	})
}

// TestLearningBehindOVS is for pods with layer2_forward alone, and is forgotten.
func TestLearningBehindOVS(t *testing.T) {
	forEachHook(t, func(t *testing.T, r *rig) {
		r.listen()
		r.want("wire host", ovs, frame{from: nested, to: everybody})
		r.want("wire OVS", node, frame{from: guest, to: nested})
		r.keep(host.Behind{Learn: true})
		r.want("wire host", ovs, frame{from: nested, to: everybody})
		r.want("OVS", node, frame{from: guest, to: nested})
		r.want("OVS", wire, frame{from: outside, to: nested})
		r.age("heard_ovs", nested, 31*time.Second)
		r.want("wire OVS", node, frame{from: guest, to: nested})
	})
}

// TestAgeing forgets in 30 s what is not heard any more.
func TestAgeing(t *testing.T) {
	forEachHook(t, func(t *testing.T, r *rig) {
		attached(t, r)
		r.want("host OVS", wire, frame{from: outside, to: everybody})
		r.want("wire OVS", node, frame{from: guest, to: everybody})
		r.age("heard_wire", outside, 29*time.Second)
		r.age("heard_host", guest, 29*time.Second)
		r.want("wire", ovs, frame{from: pod, to: outside})
		r.want("host", ovs, frame{from: pod, to: guest})
		r.age("heard_wire", outside, 31*time.Second)
		r.age("heard_host", guest, 31*time.Second)
		r.want("wire host", ovs, frame{from: pod, to: outside})
		r.want("wire host", ovs, frame{from: pod, to: guest})
		// Heard again after long, they are known again.
		r.want("host OVS", wire, frame{from: outside, to: everybody})
		r.want("wire", ovs, frame{from: pod, to: outside})
		// What the agent said stays.
		r.age("owned", pod, time.Hour)
		r.want("OVS", node, frame{from: guest, to: pod})
	})
}

// TestSpoof: what was heard on the wire or from the host is never believed to be
// behind OVS, whatever a pod sends.
func TestSpoof(t *testing.T) {
	forEachHook(t, func(t *testing.T, r *rig) {
		r.listen()
		r.keep(host.Behind{Learn: true})
		r.want("host OVS", wire, frame{from: outside, to: everybody})
		r.want("wire OVS", node, frame{from: guest, to: everybody})
		for _, victim := range []host.MAC{outside, guest} {
			r.want("wire host", ovs, frame{from: victim, to: everybody})
		}
		r.want("wire", node, frame{from: guest, to: outside})
		r.want("host", wire, frame{from: outside, to: guest})
		if got := r.counters(); got.Spoofed.Frames != 2 {
			t.Errorf("counters are %+v", got)
		}
	})
}

// TestForgedHostAndGateway: frames with the host's own address or its gateway's
// do not leave OVS, and what the agent was told of them is not believed.
func TestForgedHostAndGateway(t *testing.T) {
	forEachHook(t, func(t *testing.T, r *rig) {
		own := gatewayed(r)
		r.listen()
		r.keep(host.Behind{Learn: true})
		r.want("host OVS", wire, frame{from: gateway, to: everybody})
		for _, victim := range []host.MAC{own, gateway} {
			r.want("", ovs, frame{from: victim, to: everybody})
		}
		if got := r.counters(); got.Spoofed.Frames != 2 {
			t.Errorf("counters are %+v", got)
		}
		r.keep(host.Behind{Stations: []host.Station{{MAC: own}, {MAC: gateway}}, Learn: true})
		r.want("host", wire, frame{from: outside, to: own})
		r.want("wire", node, frame{from: own, to: gateway})
		r.want("host OVS", wire, frame{from: gateway, to: everybody})
		r.want("", ovs, frame{from: own, to: everybody})
		if got := r.counters(); got.Reflected.Frames != 0 {
			t.Errorf("counters are %+v", got)
		}
		// In another VLAN they are nobody's.
		r.want("wire host", ovs, frame{vlan: 7, from: own, to: everybody})
	})
}

// TestMovedPod: a pod that was elsewhere a moment ago is reached at once, and one
// that is elsewhere now as soon as the agent lets go of it.
func TestMovedPod(t *testing.T) {
	forEachHook(t, func(t *testing.T, r *rig) {
		r.listen()
		r.want("host OVS", wire, frame{from: pod, to: everybody})
		r.must(r.client.Own(r.uplink, host.Station{MAC: pod}))
		r.want("wire OVS", node, frame{from: guest, to: pod})
		r.want("wire host", ovs, frame{from: pod, to: everybody})
		r.must(r.client.Disown(r.uplink, host.Station{MAC: pod}))
		r.want("host OVS", wire, frame{from: pod, to: everybody})
		r.want("wire", node, frame{from: guest, to: pod})
	})
}

// TestReflection: our own frames that come back on the wire do not reach OVS, and
// have nobody believe that the pod is out there.
func TestReflection(t *testing.T) {
	forEachHook(t, func(t *testing.T, r *rig) {
		attached(t, r)
		r.keep(host.Behind{Stations: []host.Station{{MAC: pod}}, Learn: true})
		r.want("wire host", ovs, frame{from: nested, to: everybody})
		for range 3 {
			r.want("host", wire, frame{from: pod, to: everybody})
			r.want("host", wire, frame{from: nested, to: everybody})
		}
		r.want("OVS", node, frame{from: guest, to: pod})
		r.want("OVS", node, frame{from: guest, to: nested})
		if got := r.counters(); got.Reflected.Frames != 6 || got.Spoofed.Frames != 0 {
			t.Errorf("counters are %+v", got)
		}
		// What was silent for long cannot be reflected: it has moved. An entry
		// that a dead agent left behind costs copies then.
		r.age("owned", pod, time.Minute)
		r.want("host OVS", wire, frame{from: pod, to: everybody})
		r.want("wire OVS", node, frame{from: guest, to: pod})
	})
}

// TestReservedGroups pass between wire and host, to and from OVS with RSTP only,
// and never between OVS and the host.
func TestReservedGroups(t *testing.T) {
	forEachHook(t, func(t *testing.T, r *rig) {
		attached(t, r)
		for _, last := range []byte{0x00, 0x02, 0x0e, 0x0f} {
			group := host.MAC{1, 0x80, 0xc2, 0, 0, last}
			r.want("host", wire, frame{from: outside, to: group})
			r.want("wire", node, frame{from: guest, to: group})
			r.want("", ovs, frame{from: pod, to: group})
		}
		r.want("wire host", ovs, frame{from: pod, to: host.MAC{1, 0x80, 0xc2, 0, 0, 0x10}})
		r.uplink.RSTP = true
		r.plan = planOf(r.uplink)
		r.do()
		group := host.MAC{1, 0x80, 0xc2, 0, 0, 0}
		r.want("host OVS", wire, frame{from: outside, to: group})
		r.want("wire", node, frame{from: guest, to: group})
		r.want("wire", ovs, frame{from: pod, to: group})
	})
}

// TestForgottenStations: with all maps emptied under traffic, no frame is lost.
func TestForgottenStations(t *testing.T) {
	forEachHook(t, func(t *testing.T, r *rig) {
		attached(t, r)
		r.want("host OVS", wire, frame{from: outside, to: everybody})
		r.want("wire OVS", node, frame{from: guest, to: everybody})
		for _, name := range []string{"heard_wire", "heard_host", "heard_ovs", "owned", "known"} {
			r.empty(name)
		}
		r.want("host OVS", wire, frame{from: outside, to: pod})
		r.want("wire OVS", node, frame{from: guest, to: pod})
		r.want("wire", ovs, frame{from: pod, to: outside})
		r.want("host", ovs, frame{from: pod, to: guest})
	})
}

// TestFourThousandStations fit on each side, and more push out the oldest only.
func TestFourThousandStations(t *testing.T) {
	forEachHook(t, func(t *testing.T, r *rig) {
		r.listen()
		const count = 4000
		at := func(side byte, i int) host.MAC { return host.MAC{2, side, 0, 0, byte(i >> 8), byte(i)} }
		var owned []host.Station
		for i := range count {
			owned = append(owned, host.Station{MAC: at(3, i)})
			r.ports[wire].send(frame{from: at(1, i), to: at(9, 0), kind: experimental}.bytes())
			r.ports[node].send(frame{from: at(2, i), to: at(9, 0), kind: experimental}.bytes())
			if i%100 == 0 {
				r.want("host OVS", wire, frame{from: outside, to: everybody}) // keeps the sockets empty
			}
		}
		r.keep(host.Behind{Stations: owned})
		for i := 0; i < count; i += 97 {
			r.want("wire", node, frame{from: at(2, i), to: at(1, i)})
			r.want("OVS", node, frame{from: at(2, i), to: at(3, i)})
			r.want("OVS", wire, frame{from: at(1, i), to: at(3, i)})
			r.want("host", ovs, frame{from: at(3, i), to: at(2, i)})
		}
	})
}

func (r *rig) keep(want host.Behind) {
	r.t.Helper()
	_, err := r.client.Keep(r.t.Context(), r.uplink, want)
	r.must(err)
}

// age makes an untagged station's time that much older than now.
func (r *rig) age(name string, mac host.MAC, by time.Duration) {
	r.t.Helper()
	opened, err := r.client.openMap(r.uplink, name)
	r.must(err)
	defer opened.Close()
	now, err := uptime()
	r.must(err)
	r.must(opened.Put(station{MAC: mac}, now-uint64(by)))
}

// empty empties a map as somebody with bpftool would.
func (r *rig) empty(name string) {
	r.t.Helper()
	opened, err := r.client.openMap(r.uplink, name)
	r.must(err)
	defer opened.Close()
	var key station
	for opened.NextKey(nil, &key) == nil {
		r.must(remove(opened, key))
	}
}
