package takeover

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
	"hawser/test/golden"
)

// document is an Input as it stands in a file.
type document struct {
	Nodes     []kubeovnv1.ProviderNetworkNode
	Managed   []string
	Userspace bool
	Bridges   []host.Installed
	Links     []struct{ Name, Kind, Parent, Master, MAC string }
	Has       host.Belongings
	Profiles  map[string]host.Profile // by NIC
}

func TestGolden(t *testing.T) {
	golden.Run(t, func(t *testing.T, path string) golden.Case {
		d, in := load(t, path)
		return golden.Case{
			Text: func() string { return text(d, in) },
			Shuffle: func(r *rand.Rand) {
				golden.Shuffle(r, in.Host.Links)
				golden.Shuffle(r, in.Host.Bridges)
				golden.Shuffle(r, in.Managed)
			},
		}
	})
}

func load(t *testing.T, path string) (d document, in Input) {
	t.Helper()
	golden.Read(t, path, &d)
	in = Input{Managed: d.Managed, Userspace: d.Userspace, Has: d.Has}
	in.Host.Bridges = d.Bridges
	for i, link := range d.Links {
		mac, _ := host.ParseMAC(link.MAC)
		in.Host.Links = append(in.Host.Links, host.Link{Name: link.Name, Kind: link.Kind, Parent: link.Parent, Master: link.Master, MAC: mac, Index: i + 1, MTU: 1500})
	}
	return d, in
}

func text(d document, in Input) string {
	var out strings.Builder
	for i := range d.Nodes {
		in.Node = &d.Nodes[i]
		in.Profile = d.Profiles[in.nic()]
		fmt.Fprintf(&out, "== %s\n", in.Node.Name)
		result, problem := Plan(in)
		switch {
		case problem != nil:
			fmt.Fprintf(&out, "%s: %s\n", problem.Reason, problem.Message)
		case result.Kept:
			fmt.Fprintf(&out, "kept, exchanged: %v\n%s", result.Uplink.Exchange, result.Story())
		default:
			out.WriteString(result.Story())
		}
	}
	return out.String()
}

// TestApprovedStaysApproved: what comes and goes on a NIC, and the takeover itself,
// change the story and not the plan.
func TestApprovedStaysApproved(t *testing.T) {
	node := &kubeovnv1.ProviderNetworkNode{Spec: kubeovnv1.ProviderNetworkNodeSpec{ProviderNetwork: "lan", Interfaces: []string{"eth0"}, ExchangeLinkName: true}}
	in := Input{Node: node, Host: host.Snapshot{Links: []host.Link{{Name: "eth0", Index: 2}}}}
	first, problem := Plan(in)
	if problem != nil {
		t.Fatal(problem)
	}
	in.Has.Addresses = []host.HeldAddress{{Prefix: netip.MustParsePrefix("192.0.2.100/32")}}
	second, _ := Plan(in)
	taken := host.Snapshot{
		Links:   []host.Link{{Name: "eth0", Kind: "openvswitch", Index: 9}, {Name: "br-lan", Index: 2, Master: "ovs-system"}},
		Bridges: []host.Installed{{Name: "eth0", Owner: "ProviderNetwork//lan", Ports: []string{"br-lan"}}},
	}
	third, problem := Plan(Input{Node: node, Host: taken})
	if problem != nil {
		t.Fatal(problem)
	}
	if first.Plan.Hash() != second.Plan.Hash() || first.Plan.Hash() != third.Plan.Hash() || first.Story() == second.Story() {
		t.Errorf("%s\n%s\n%s", first.Story(), second.Story(), third.Story())
	}
	if third.Uplink != first.Uplink {
		t.Errorf("%+v became %+v", first.Uplink, third.Uplink)
	}
}

// TestNetworkManagerComesAndGoes: a plan that stands stays as it was approved, and
// needs nothing more of the NIC's profile.
func TestNetworkManagerComesAndGoes(t *testing.T) {
	node := &kubeovnv1.ProviderNetworkNode{Spec: kubeovnv1.ProviderNetworkNodeSpec{ProviderNetwork: "lan", Interfaces: []string{"eth0"}}}
	managed := Input{
		Node: node, Host: host.Snapshot{Links: []host.Link{{Name: "eth0", Index: 2}}}, Managed: []string{"eth0"},
		Profile: host.Profile{Name: "uplink", IPv4: "manual", IPv6: "disabled", Spares: true},
	}
	alone := managed
	alone.Managed = nil
	told, problem := Plan(managed)
	if problem != nil {
		t.Fatal(problem)
	}
	plain, problem := Plan(alone)
	if problem != nil {
		t.Fatal(problem)
	}
	if told.Plan.Hash() == plain.Plan.Hash() {
		t.Error("NetworkManager is told something else, or nothing")
	}
	managed.Stands, managed.Profile.Resolves, alone.Stands = plain.Plan, true, told.Plan
	for _, c := range []struct {
		in   Input
		want *Result
	}{{managed, plain}, {alone, told}} {
		if have, problem := Plan(c.in); problem != nil || have.Plan.Hash() != c.want.Plan.Hash() {
			t.Errorf("%v: %+v", problem, have)
		}
	}
}

// BenchmarkPlan is the time to plan a takeover of a NIC with a thousand routes, and to
// tell its story.
func BenchmarkPlan(b *testing.B) {
	in := Input{
		Node: &kubeovnv1.ProviderNetworkNode{Spec: kubeovnv1.ProviderNetworkNodeSpec{ProviderNetwork: "lan", Interfaces: []string{"eth0"}, ExchangeLinkName: true}},
		Host: host.Snapshot{Links: []host.Link{{Name: "eth0", Index: 2, MTU: 1500}}},
		Has:  host.Belongings{Addresses: []host.HeldAddress{{Prefix: netip.MustParsePrefix("192.0.2.10/24")}}},
	}
	for i := range 1000 {
		prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24)
		in.Has.Routes = append(in.Has.Routes, host.HeldRoute{Prefix: prefix, Table: 254})
	}
	for b.Loop() {
		if result, problem := Plan(in); problem != nil || result.Story() == "" || result.Plan.Hash() == "" {
			b.Fatal(problem)
		}
	}
}
