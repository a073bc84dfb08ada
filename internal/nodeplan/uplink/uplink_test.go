package uplink

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
	"hawser/test/golden"
)

// document is an Input as it stands in a file: one host, and the nodes' parts
// in provider networks, each of which is planned in turn.
type document struct {
	Exclude   []string
	Managed   []string
	Lent      map[string][]string
	StandBy   []string
	Userspace bool
	Nodes     []kubeovnv1.ProviderNetworkNode
	Stands    []struct {
		Provider, NIC string
		Attachment    host.Attachment
		Exchange      bool
	}
	Has     host.Belongings
	Bridges []host.Installed
	Links   []struct {
		Name, Kind, Parent, Master, Alias string
		MTU                               int
		Loopback                          bool
		Addresses                         []string
	}
}

func TestGolden(t *testing.T) {
	golden.Run(t, func(t *testing.T, path string) golden.Case {
		in, nodes := load(t, path)
		return golden.Case{
			Text: func() string { return text(in, nodes) },
			Shuffle: func(r *rand.Rand) {
				golden.Shuffle(r, in.Host.Links)
				golden.Shuffle(r, in.Host.Addresses)
				golden.Shuffle(r, in.Host.Bridges)
				golden.Shuffle(r, in.Managed)
				golden.Shuffle(r, in.Others)
				golden.Shuffle(r, in.Options.Exclude)
			},
		}
	})
}

func text(in Input, nodes []kubeovnv1.ProviderNetworkNode) string {
	var out strings.Builder
	for i := range nodes {
		in.Node = &nodes[i]
		result, problem := Plan(in)
		fmt.Fprintf(&out, "%s\n", nodes[i].Name)
		if problem != nil {
			fmt.Fprintf(&out, "%s: %s\n\n", problem.Reason, problem.Message)
			continue
		}
		for _, up := range result.Uplinks {
			fmt.Fprintf(&out, "%s%s, MTU %d, mark %#x%s\n", among(up), up.Attachment, up.MTU, up.Mark, standing(up))
		}
		fmt.Fprintf(&out, "%s\n", result.Plan.Text())
		if result.Uplinks[0].Attachment == host.AttachTakeover {
			fmt.Fprintf(&out, "undone: %d steps, notes %q\n\n", strings.Count(result.Story, "undone: "), result.Notes)
		}
	}
	return out.String()
}

// among names an uplink where there are several.
func among(up host.Uplink) string {
	if up.Apart {
		return up.NIC + ": "
	}
	return ""
}

func standing(up host.Uplink) string {
	if up.Standby {
		return ", stands by"
	}
	return ""
}

func load(t *testing.T, path string) (Input, []kubeovnv1.ProviderNetworkNode) {
	t.Helper()
	var doc document
	golden.Read(t, path, &doc)
	in := Input{
		Options: Options{Exclude: doc.Exclude, Mark: host.UplinkMark, Takeover: true}, Managed: doc.Managed, Lent: doc.Lent, StandBy: doc.StandBy, Has: doc.Has, Userspace: doc.Userspace,
		Stands: map[string]host.Plan{}, Host: host.Snapshot{Bridges: doc.Bridges},
	}
	for i, link := range doc.Links {
		in.Host.Links = append(in.Host.Links, host.Link{
			Name: link.Name, Kind: link.Kind, Parent: link.Parent, Master: link.Master, Alias: link.Alias,
			MTU: link.MTU, Loopback: link.Loopback, Index: i + 1, Up: true, Carrier: true,
		})
		for _, address := range link.Addresses {
			in.Host.Addresses = append(in.Host.Addresses, host.Address{Link: link.Name, Prefix: netip.MustParsePrefix(address)})
		}
	}
	for _, stands := range doc.Stands {
		in.Stands[stands.Provider] = steps([]host.Uplink{{Provider: stands.Provider, NIC: stands.NIC, Attachment: stands.Attachment, Exchange: stands.Exchange}})
	}
	for i := range doc.Nodes {
		doc.Nodes[i].Name = kubeovnv1.ProviderNetworkNodeName(doc.Nodes[i].Spec.ProviderNetwork, "n1")
		doc.Nodes[i].Spec.Node = "n1"
		other := doc.Nodes[i]
		if other.CreationTimestamp.IsZero() {
			continue // a case of its own
		}
		in.Others = append(in.Others, other)
	}
	return in, doc.Nodes
}

// TestAPlanIsTheSameAfterABoot, so that what was approved stays approved.
func TestAPlanIsTheSameAfterABoot(t *testing.T) {
	in := Input{
		Node: &kubeovnv1.ProviderNetworkNode{
			ObjectMeta: metav1.ObjectMeta{Name: "lan.n1"},
			Spec:       kubeovnv1.ProviderNetworkNodeSpec{ProviderNetwork: "lan", Interfaces: []string{"eth0"}},
		},
		Host: host.Snapshot{
			Links:     []host.Link{{Name: "eth0", Index: 2, MTU: 1500, Up: true}},
			Addresses: []host.Address{{Link: "eth0", Prefix: netip.MustParsePrefix("192.0.2.1/24")}},
		},
	}
	first, problem := Plan(in)
	if problem != nil {
		t.Fatal(problem)
	}
	in.Stands = map[string]host.Plan{"lan": first.Plan}
	in.Host = host.Snapshot{Links: []host.Link{{Name: "eth0", Index: 5, MTU: 9000}}} // no address yet
	second, problem := Plan(in)
	if problem != nil || second.Plan.Hash() != first.Plan.Hash() || second.Uplinks[0].MTU != 9000 || second.Uplinks[0].Index != 5 {
		t.Errorf("%v: %+v", problem, second)
	}
}

func TestRenew(t *testing.T) {
	stands := steps([]host.Uplink{{Provider: "lan", NIC: "eth0", Index: 2, MTU: 1500, Attachment: host.AttachPort}})
	now, ok := Renew(stands, host.Snapshot{Links: []host.Link{{Name: "eth0", Index: 7, MTU: 9000}}})
	if !ok || now.Hash() != stands.Hash() || now.Steps[0].Uplink.Index != 7 || now.Steps[3].Uplink.MTU != 9000 || stands.Steps[0].Uplink.Index != 2 {
		t.Errorf("%v %+v", ok, now)
	}
	if _, ok := Renew(stands, host.Snapshot{}); ok {
		t.Error("renewed without the NIC")
	}
	if _, ok := Renew(host.Plan{}, host.Snapshot{}); !ok {
		t.Error("taking back needs no NIC")
	}
	two := steps([]host.Uplink{{Provider: "lan", NIC: "eth0", Index: 2, Attachment: host.AttachPort}, {Provider: "lan", NIC: "eth1", Index: 3, Attachment: host.AttachPort}})
	now, ok = Renew(two, host.Snapshot{Links: []host.Link{{Name: "eth1", Index: 8}}})
	if ups := now.Uplinks(); !ok || ups[0].Index != 2 || ups[1].Index != 8 {
		t.Errorf("one of two is there: %v %+v", ok, ups)
	}
}

// TestAssign: who stands by is no other plan, and a NIC alone never does.
func TestAssign(t *testing.T) {
	two := steps([]host.Uplink{{Provider: "lan", NIC: "eth0", Apart: true, Standby: true}, {Provider: "lan", NIC: "eth1", Apart: true}})
	now := Assign(two, []string{"eth1"})
	if ups := now.Uplinks(); ups[0].Standby || !ups[1].Standby || now.Hash() != two.Hash() || !two.Steps[1].Uplink.Standby {
		t.Errorf("%+v", ups)
	}
	one := Assign(steps([]host.Uplink{{Provider: "lan", NIC: "eth0"}}), []string{"eth0"})
	if one.Uplinks()[0].Standby {
		t.Error("the only one stands by")
	}
}

// TestRSTPGoesWithTheBridge: its plan leads from any other in place, and away from it
// only over a bridge that is made anew, which the plan tells; a name that comes or goes
// is no reason.
func TestRSTPGoesWithTheBridge(t *testing.T) {
	plan := func(protection kubeovnv1.LoopProtection, stands host.Plan, nics ...string) *Result {
		t.Helper()
		in := Input{Node: &kubeovnv1.ProviderNetworkNode{}, Stands: map[string]host.Plan{"lan": stands}}
		in.Node.Spec = kubeovnv1.ProviderNetworkNodeSpec{ProviderNetwork: "lan", Interfaces: nics, LoopProtection: protection}
		for i, nic := range nics {
			in.Host.Links = append(in.Host.Links, host.Link{Name: nic, Index: i + 1, MTU: 1500})
		}
		result, problem := Plan(in)
		if problem != nil {
			t.Fatal(problem)
		}
		return result
	}
	anew := func(r *Result) bool { return strings.HasPrefix(r.Story, "first all uplinks leave") }
	isolated := plan("", host.Plan{}, "eth0", "eth1")
	tree := plan(kubeovnv1.LoopRSTP, isolated.Plan, "eth0", "eth1")
	if ups := tree.Uplinks; anew(isolated) || anew(tree) || !ups[0].RSTP || !ups[1].Apart || ups[0].Place != 1 || ups[1].Place != 2 {
		t.Errorf("%s\n%+v", tree.Story, ups)
	}
	for _, other := range []*Result{plan("", tree.Plan, "eth0", "eth1"), plan(kubeovnv1.LoopRefuse, tree.Plan, "eth0", "eth1"), plan(kubeovnv1.LoopRSTP, tree.Plan, "eth0")} {
		if !anew(other) || other.Uplinks[0].RSTP || strings.Contains(other.Plan.Text(), "first") {
			t.Error(other.Story)
		}
	}
	if more := plan(kubeovnv1.LoopRSTP, tree.Plan, "eth0", "eth1", "eth2"); anew(more) {
		t.Error(more.Story)
	}
	if now := Assign(tree.Plan, []string{"eth1"}); now.Uplinks()[1].Standby {
		t.Error("one stands by although the spanning tree decides")
	}
}

// TestTakeoverIsForbidden by the operator of the nodes, whatever a manifest says.
func TestTakeoverIsForbidden(t *testing.T) {
	in, nodes := load(t, "testdata/takeover/in.yaml")
	in.Options.Takeover = false
	for i := range nodes {
		in.Node = &nodes[i]
		result, problem := Plan(in)
		if problem == nil && result.Uplinks[0].Attachment == host.AttachTakeover {
			t.Errorf("%s is taken over:\n%s", in.Node.Name, result.Story)
		}
	}
}
