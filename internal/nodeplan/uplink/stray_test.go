package uplink

import (
	"slices"
	"testing"

	"hawser/internal/host"
)

// TestStrays: pins, pairs and bridges of ours each tell of what stands; what is
// others' or noted does not.
func TestStrays(t *testing.T) {
	pair := host.SharedUplink("pair", "eth1")
	first, second := host.SharedUplink("pins", "eth0"), host.SharedUplink("pins", "eth7")
	on := host.Snapshot{
		Links: []host.Link{
			{Name: "eth0", Index: 2, MTU: 9000}, {Name: "eth1", Index: 3, MTU: 1500}, {Name: "eth2", Index: 4, MTU: 1500},
			{Name: pair.Tap, Kind: "veth", Alias: pair.Alias()}, {Name: "br-port", Kind: "openvswitch"},
			{Name: "eth3", Index: 6, MTU: 1500}, {Name: first.Tap, Kind: "veth", Alias: first.Alias()},
			{Name: "their", Kind: "macvlan", Alias: host.SharedUplink("theirs", "eth9").Alias()},
		},
		Bridges: []host.Installed{
			{Name: "br-port", Owner: Owner("port"), Ports: []string{"patch-x", "eth2", "eth3"}},
			{Name: "br-bare", Owner: Owner("bare"), Ports: []string{"patch-y"}},
			{Name: "br-pins", Owner: Owner("pins"), Ports: []string{first.Tap}},
			{Name: "br-int"}, {Name: "br-lan", Owner: Owner("lan")},
		},
	}
	pinned := []host.Uplink{first, second, host.SharedUplink("lan", "eth8")}
	strays := Strays(on, pinned, true, nil, func(provider string) bool { return provider == "lan" })
	if len(strays) != 4 {
		t.Errorf("%d strays: %+v", len(strays), strays)
	}
	first.Index, first.MTU, first.Userspace, first.Apart = 2, 9000, true, true
	second.Userspace, second.Apart, second.Standby = true, true, true
	if got := strays["pins"].Uplinks(); !slices.Equal(got, []host.Uplink{first, second}) {
		t.Errorf("by pins, one in the bridge:\n%+v", got)
	}
	pair.Userspace = true
	if got := strays["pair"]; got.Text() != steps([]host.Uplink{pair}).Text() || got.Steps[0].Uplink.Index != 3 {
		t.Errorf("by its pair:\n%s", got.Text())
	}
	port := host.Uplink{Provider: "port", NIC: "eth2", Index: 4, MTU: 1500, Attachment: host.AttachPort, Bridge: "br-port", Userspace: true, Apart: true}
	other := host.Uplink{Provider: "port", NIC: "eth3", Index: 6, MTU: 1500, Attachment: host.AttachPort, Bridge: "br-port", Userspace: true, Apart: true}
	if got := strays["port"].Uplinks(); !slices.Equal(got, []host.Uplink{port, other}) {
		t.Errorf("by its bridge:\n%+v", got)
	}
	on.Bridges[0].RSTP = true
	port.RSTP, port.Place, other.RSTP, other.Place = true, 1, true, 2
	if got := Strays(on, nil, true, nil, func(string) bool { return false })["port"].Uplinks(); !slices.Equal(got, []host.Uplink{port, other}) {
		t.Errorf("by a bridge in a spanning tree:\n%+v", got)
	}
	if got := strays["bare"].Text(); got != "1. add bridge br-bare of the userspace datapath\n2. map network bare to br-bare\n" {
		t.Errorf("a bridge alone:\n%s", got)
	}
}
