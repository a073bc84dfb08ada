package host

import (
	"net/netip"
	"testing"
)

func TestTextIsCanonical(t *testing.T) {
	one := Desired{
		ExternalIDs: map[string]string{"b": "2", "a": "1"},
		Switching: Switching{
			Bridges: []Bridge{{Name: "br-x", DatapathType: "netdev", MAC: MAC{2}, RSTP: true, OtherConfig: map[string]string{"k": "v"}}},
			Ports: []BridgePort{
				{Bridge: "br-x", Name: "p", MTU: 1400, Tag: 7, Place: 2},
				{Bridge: "br-x", Name: "a", Type: "internal"},
				{Bridge: "br-x", Name: "b", Mode: BondLACP, Members: []string{"eth1", "eth0"}, Protected: true},
			},
		},
		Network: Network{
			Links:     []Link{{Name: "z", Up: true}, {Name: "m", MAC: MAC{2}, Kind: KindMacvlan, Parent: "eth0", MTU: 1500, NoARP: true, Deaf: true}},
			Addresses: []Address{{Link: "z", Prefix: netip.MustParsePrefix("10.0.0.1/8")}},
			Routes: []Route{
				{Link: "z", Prefix: netip.MustParsePrefix("10.1.0.0/16")},
				{Link: "z", Prefix: netip.MustParsePrefix("10.2.0.0/16"), Gateway: netip.MustParseAddr("10.0.0.9"), Source: netip.MustParseAddr("10.0.0.1")},
			},
			Sysctls: []Sysctl{{Key: "k", Value: "v"}},
		},
		Confined: []Address{{Link: "z", Prefix: netip.MustParsePrefix("10.0.0.1/8")}},
		Filtering: Filtering{
			Gateway: "z",
			Sources: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")},
			Subnets: []netip.Prefix{netip.MustParsePrefix("10.2.0.0/16"), netip.MustParsePrefix("10.1.0.0/16")},
			Nodes:   []netip.Addr{netip.MustParseAddr("192.0.2.1")},
			Private: []PrivateSubnet{{
				Prefix: netip.MustParsePrefix("10.2.0.0/16"),
				Admits: []netip.Prefix{netip.MustParsePrefix("10.3.0.0/16"), netip.MustParsePrefix("10.2.0.0/16")},
			}},
		},
	}
	const want = `link m macvlan on eth0 mac 02:00:00:00:00:00 mtu 1500 noarp deaf
link z up
confined 10.0.0.1/8 on z
open_vswitch a=1
open_vswitch b=2
bridge br-x datapath netdev mac 02:00:00:00:00:00 rstp other_config:k=v
port a on br-x type internal
port b on br-x bond LACP of eth0,eth1 protected
port p on br-x mtu 1400 tag 7 place 2
sysctl k=v
address 10.0.0.1/8 on z
route 10.1.0.0/16 dev z
route 10.2.0.0/16 via 10.0.0.9 dev z src 10.0.0.1
masquerade services of pods at z
masquerade outgoing from 10.1.0.0/16
masquerade nothing to subnet 10.1.0.0/16
masquerade nothing to subnet 10.2.0.0/16
masquerade nothing to node 192.0.2.1
private 10.2.0.0/16 admits 10.2.0.0/16 10.3.0.0/16
`
	if got := one.Text(); got != want {
		t.Errorf("text is\n%s", got)
	}
	if got := (Desired{}).Text(); got != "nothing\n" {
		t.Errorf("nothing is %q", got)
	}
}

func TestSnapshotFinds(t *testing.T) {
	s := Snapshot{
		Links:     []Link{{Name: "a"}},
		Addresses: []Address{{Link: "a", Prefix: netip.MustParsePrefix("10.0.0.1/8")}},
	}
	if link, ok := s.Link("a"); !ok || link.Name != "a" {
		t.Errorf("%v %v", link, ok)
	}
	if _, ok := s.Link("b"); ok {
		t.Error("found a link that is not there")
	}
	if have, ok := s.Holder(netip.MustParseAddr("10.0.0.1")); !ok || have.Link != "a" {
		t.Errorf("%v %v", have, ok)
	}
	if _, ok := s.Holder(netip.MustParseAddr("10.0.0.2")); ok {
		t.Error("found an address that is not there")
	}
	for name, own := range map[string]bool{"ovn0": true, "br-encap": true, "hwencap": true, "eth0": false, "br-int": false} {
		if IsOwn(name) != own {
			t.Errorf("%s is ours: %v", name, !own)
		}
	}
}

func TestMAC(t *testing.T) {
	mac, err := ParseMAC("0A:00:00:00:00:01")
	if err != nil || mac.String() != "0a:00:00:00:00:01" || mac.IsZero() || !mac.IsUnicast() {
		t.Errorf("%v %v", mac, err)
	}
	for _, bad := range []string{"", "0a:00:00:00:00", "0a00:00:00:00:0001", "0g:00:00:00:00:01"} {
		if _, err := ParseMAC(bad); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
	if (MAC{1}).IsUnicast() || !(MAC{}).IsZero() {
		t.Error("group address or zero")
	}
}
