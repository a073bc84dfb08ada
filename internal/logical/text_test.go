package logical

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hawser/internal/host"
	"hawser/test/golden"
)

const everyWord = `router vpc1
    options mac_binding_age_threshold=300
switch net1
    other_config exclude_ips=10.0.0.1 subnet=10.0.0.0/24
router port vpc1-net1 on vpc1
    mac 0a:00:00:00:00:01
    networks 10.0.0.1/24 fd00::1/64
switch port a.ns on net1
    addresses "0a:00:00:00:00:02 10.0.0.2"
    external_ids pod=ns/a
    groups g1 g2
switch port localnet.net1 on net1
    type localnet
    tag 7
    addresses "unknown"
port group g1
port group g2
policy on vpc1 31000 "ip4.dst == 10.0.0.0/24" allow
policy on vpc1 29000 "ip4.src == $g1_ip4" reroute
    nexthops 100.64.0.2 100.64.0.3
policy on vpc1 29000 "ip4.src == $g2_ip4" drop
route on vpc1 0.0.0.0/0 via 100.64.0.1
route on vpc1 table t ::/0 via fd00:100::1
acl on port group g1 from-lport tier 0 2 "ip" drop
acl on switch net1 to-lport tier 0 1001 "ip4" allow-related
acl on switch net1 to-lport tier 0 1000 "ip" drop
`

func sample() State {
	return State{
		Routers:     []Router{{Name: "vpc1", Options: map[string]string{"mac_binding_age_threshold": "300"}}},
		Switches:    []Switch{{Name: "net1", OtherConfig: map[string]string{"subnet": "10.0.0.0/24", "exclude_ips": "10.0.0.1"}}},
		RouterPorts: []RouterPort{{Router: "vpc1", Name: "vpc1-net1", MAC: host.MAC{0x0a, 5: 1}, Networks: []netip.Prefix{netip.MustParsePrefix("fd00::1/64"), netip.MustParsePrefix("10.0.0.1/24")}}},
		SwitchPorts: []SwitchPort{
			{Switch: "net1", Name: "localnet.net1", Type: PortLocalnet, Addresses: []string{"unknown"}, Tag: 7},
			{Switch: "net1", Name: "a.ns", Addresses: []string{"0a:00:00:00:00:02 10.0.0.2"}, ExternalIDs: map[string]string{"pod": "ns/a"}, Groups: []string{"g2", "g1"}},
		},
		PortGroups: []PortGroup{{Name: "g2"}, {Name: "g1"}},
		Policies: []Policy{
			{Router: "vpc1", Priority: 29000, Match: "ip4.src == $g2_ip4", Action: PolicyDrop},
			{Router: "vpc1", Priority: 31000, Match: "ip4.dst == 10.0.0.0/24", Action: PolicyAllow},
			{Router: "vpc1", Priority: 29000, Match: "ip4.src == $g1_ip4", Action: PolicyReroute, NextHops: []netip.Addr{netip.MustParseAddr("100.64.0.3"), netip.MustParseAddr("100.64.0.2")}},
		},
		StaticRoutes: []StaticRoute{
			{Router: "vpc1", Table: "t", Prefix: netip.MustParsePrefix("::/0"), NextHop: netip.MustParseAddr("fd00:100::1")},
			{Router: "vpc1", Prefix: netip.MustParsePrefix("0.0.0.0/0"), NextHop: netip.MustParseAddr("100.64.0.1")},
		},
		ACLs: []ACL{
			{Switch: "net1", Direction: "to-lport", Priority: 1000, Match: "ip", Action: "drop"},
			{Switch: "net1", Direction: "to-lport", Priority: 1001, Match: "ip4", Action: "allow-related"},
			{PortGroup: "g1", Direction: "from-lport", Priority: 2, Match: "ip", Action: "drop"},
		},
	}
}

func TestTextNamesEveryWord(t *testing.T) {
	if diff := cmp.Diff(everyWord, sample().Text()); diff != "" {
		t.Error(diff)
	}
	if got := (State{}).Text(); got != "nothing\n" {
		t.Errorf("no state reads %q", got)
	}
}

func TestTextIsTheSameInAnyOrder(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 0))
		s := sample()
		golden.Shuffle(r, s.SwitchPorts)
		golden.Shuffle(r, s.PortGroups)
		golden.Shuffle(r, s.Policies)
		golden.Shuffle(r, s.StaticRoutes)
		golden.Shuffle(r, s.ACLs)
		golden.Shuffle(r, s.RouterPorts[0].Networks)
		for i := range s.Policies {
			golden.Shuffle(r, s.Policies[i].NextHops)
		}
		if diff := cmp.Diff(everyWord, s.Text()); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
	}
}

func TestOwnerReadsWhatItWrote(t *testing.T) {
	for _, o := range []Owner{{Kind: "Pod", Namespace: "ns", Name: "a"}, {Kind: "Vpc", Name: "ovn-cluster"}} {
		got, ok := ParseOwner(o.String())
		if !ok || got != o {
			t.Errorf("%q read as %+v, %v", o, got, ok)
		}
	}
	for _, text := range []string{"", "Pod", "Pod/ns", "/ns/a", "Pod/ns/", "a/b/c/d"} {
		if o, ok := ParseOwner(text); ok {
			t.Errorf("%q read as %+v", text, o)
		}
	}
}
