package uplink

import (
	"testing"

	"hawser/internal/host"
)

// TestStrays: pins, pairs and bridges of ours each tell of what stands; what is
// others' or noted does not.
func TestStrays(t *testing.T) {
	pair := host.SharedUplink("pair", "eth1")
	on := host.Snapshot{
		Links: []host.Link{
			{Name: "eth0", Index: 2, MTU: 9000}, {Name: "eth1", Index: 3, MTU: 1500}, {Name: "eth2", Index: 4, MTU: 1500},
			{Name: pair.Tap, Kind: "veth", Alias: pair.Alias()}, {Name: "br-port", Kind: "openvswitch"},
			{Name: "their", Kind: "macvlan", Alias: host.SharedUplink("theirs", "eth9").Alias()},
		},
		Bridges: []host.Installed{
			{Name: "br-port", Owner: Owner("port"), Ports: []string{"patch-x", "eth2"}},
			{Name: "br-bare", Owner: Owner("bare"), Ports: []string{"patch-y"}},
			{Name: "br-pins", Owner: Owner("pins"), Ports: []string{"hwo1"}},
			{Name: "br-int"}, {Name: "br-lan", Owner: Owner("lan")},
		},
	}
	pinned := []host.Uplink{host.SharedUplink("pins", "eth0"), host.SharedUplink("pins", "eth7"), host.SharedUplink("lan", "eth8")}
	strays := Strays(on, pinned, true, func(provider string) bool { return provider == "lan" })
	if len(strays) != 4 {
		t.Errorf("%d strays: %+v", len(strays), strays)
	}
	pins := host.SharedUplink("pins", "eth0")
	pins.Index, pins.MTU, pins.Userspace = 2, 9000, true
	if got := strays["pins"]; got.Text() != steps(pins).Text() || got.Steps[0].Uplink != pins {
		t.Errorf("by pins:\n%s", got.Text())
	}
	pair.Userspace = true
	if got := strays["pair"]; got.Text() != steps(pair).Text() || got.Steps[0].Uplink.Index != 3 {
		t.Errorf("by its pair:\n%s", got.Text())
	}
	if got := strays["port"]; got.Text() != steps(host.Uplink{Provider: "port", NIC: "eth2", Attachment: host.AttachPort, Bridge: "br-port", Userspace: true}).Text() {
		t.Errorf("by its bridge:\n%s", got.Text())
	}
	if got := strays["bare"].Text(); got != "1. add bridge br-bare of the userspace datapath\n2. map network bare to br-bare\n" {
		t.Errorf("a bridge alone:\n%s", got)
	}
}
