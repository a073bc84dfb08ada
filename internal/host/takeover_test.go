package host

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// TestTakeoverTexts: every step says what it does and how it is undone, and names
// the two devices so that they cannot be mistaken for each other.
func TestTakeoverTexts(t *testing.T) {
	plain := Uplink{Provider: "lan", NIC: "eth0", Attachment: AttachTakeover, Bridge: "br-lan"}
	exchanged := Uplink{Provider: "lan", NIC: "eth0", Attachment: AttachTakeover, Bridge: "eth0", Exchange: true}
	forward := []Action{ActionWitness, ActionHold, ActionRename, ActionBridge, ActionDress, ActionCopy, ActionJoin, ActionSwitch, ActionIsolate, ActionQuiet, ActionBare, ActionRelease, ActionConfirm, ActionKeep, ActionMapping}
	undoneByNothing := []Action{ActionWitness, ActionConfirm}
	for _, up := range []Uplink{plain, exchanged} {
		seen := map[string]bool{}
		for _, action := range forward {
			step := Step{Action: action, Uplink: up}
			if seen[step.Text()] || step.Text() == string(action)+" eth0" {
				t.Errorf("%s: %q", action, step.Text())
			}
			seen[step.Text()] = true
			if (step.Undoing() == "") != slices.Contains(undoneByNothing, action) {
				t.Errorf("%s is undone: %q", action, step.Undoing())
			}
		}
	}
	if text := (Step{Action: ActionCopy, Uplink: exchanged}).Text(); !strings.Contains(text, "the bridge eth0") || !strings.Contains(text, "the NIC br-lan") {
		t.Error(text)
	}
	if plain.Member() != "eth0" || exchanged.Member() != "br-lan" || (Step{Action: ActionPair}).Undoing() != "" {
		t.Errorf("members are %s and %s", plain.Member(), exchanged.Member())
	}
}

func TestBelongingsLines(t *testing.T) {
	prefix, gateway := netip.MustParsePrefix("10.0.0.0/8"), netip.MustParseAddr("192.0.2.254")
	got := Belongings{
		Addresses: []HeldAddress{{Prefix: prefix, Label: "eth0:1", Secondary: true, Leased: true}},
		Routes: []HeldRoute{
			{Prefix: prefix, Table: TableMain, Metric: 5, Source: gateway, Hops: []Hop{{Link: "eth0", Gateway: gateway, Onlink: true}}},
			{Prefix: prefix, Table: tableDefault, Object: 7},
			{Prefix: prefix, Table: TableLocal, Hops: []Hop{{Link: "eth0", Weight: 2}, {Link: "eth1", Weight: 1}}},
		},
		Rules:      []HeldRule{{Priority: 3, In: "eth0", Table: TableMain}, {Priority: 4, Out: "eth0"}},
		Neighbours: []HeldNeighbour{{Address: gateway, MAC: MAC{2}}, {Address: gateway, Proxy: true}},
		Settings:   []Sysctl{{Key: "a", Value: "1"}},
	}.Lines()
	want := []string{
		"address 10.0.0.0/8 label eth0:1 secondary with a lifetime",
		"route 10.0.0.0/8 via 192.0.2.254 dev eth0 onlink src 192.0.2.254 metric 5",
		"route 10.0.0.0/8 nhid 7 table default",
		"route 10.0.0.0/8 nexthop dev eth0 weight 2 nexthop dev eth1 weight 1 table local",
		"rule 3: iif eth0 lookup main", "rule 4: oif eth0",
		"neighbour 192.0.2.254 is 02:00:00:00:00:00", "neighbour 192.0.2.254 by proxy", "setting a=1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
}
