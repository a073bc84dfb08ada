package underlay

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/plan"
	"hawser/internal/plan/overlay"
	"hawser/test/golden"
)

// world is the objects of a cluster, as in.yaml lists them.
type world struct {
	nodes    []*corev1.Node
	networks []*kubeovnv1.ProviderNetwork
	parts    []*kubeovnv1.ProviderNetworkNode
	vlans    []*kubeovnv1.Vlan
	subnets  []*kubeovnv1.Subnet
}

var (
	testCluster = overlay.Cluster{Vpc: kubeovnv1.DefaultVpc, DefaultProvider: "provider"}
	noon        = time.Date(2025, 1, 1, 12, 0, 0, 0, time.UTC)
)

// TestGolden plans every testdata/<case>/in.yaml and compares with want.txt.
func TestGolden(t *testing.T) {
	golden.Run(t, func(t *testing.T, in string) golden.Case {
		w := readWorld(t, in)
		return golden.Case{Text: w.render, Shuffle: w.shuffle}
	})
}

func readWorld(t *testing.T, file string) *world {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{}
	for _, document := range bytes.Split(text, []byte("\n---\n")) {
		if err := w.add(document); err != nil {
			t.Fatalf("%s: %v\n%s", file, err, document)
		}
	}
	return w
}

func (w *world) add(document []byte) error {
	var head struct{ Kind string }
	if err := yaml.Unmarshal(document, &head); err != nil {
		return err
	}
	switch head.Kind {
	case "Node":
		return addTo(&w.nodes, document)
	case "ProviderNetwork":
		return addTo(&w.networks, document)
	case "ProviderNetworkNode":
		return addTo(&w.parts, document)
	case "Vlan":
		return addTo(&w.vlans, document)
	case "Subnet":
		return addTo(&w.subnets, document)
	}
	return fmt.Errorf("unknown kind %q", head.Kind)
}

func addTo[O any](list *[]*O, document []byte) error {
	object := new(O)
	*list = append(*list, object)
	return yaml.UnmarshalStrict(document, object)
}

func (w *world) shuffle(random *rand.Rand) {
	golden.Shuffle(random, w.nodes)
	golden.Shuffle(random, w.networks)
	golden.Shuffle(random, w.parts)
	golden.Shuffle(random, w.vlans)
	golden.Shuffle(random, w.subnets)
}

func (w *world) render() string {
	report := map[string]string{}
	land := Landscape{Cluster: testCluster, Vlans: w.vlans, Networks: w.networks}
	for _, pn := range w.networks {
		report[NetworkOwner(pn.Name).String()] = w.network(pn, land)
	}
	for _, vlan := range w.vlans {
		leg, problems := land.Leg(vlan)
		report[VlanOwner(vlan.Name).String()] = fmt.Sprintf("vlan %d of %s, conflict %v\n%s", leg.VLAN, leg.Provider, InConflict(problems), listed(problems))
	}
	for _, subnet := range w.subnets {
		n, problems := overlay.Parse(testCluster, subnet)
		n, more := land.Connect(n)
		report[overlay.SubnetOwner(subnet.Name).String()] = fmt.Sprintf("on %+v\n%s", n.Localnet, listed(append(problems, more...)))
	}
	var out strings.Builder
	for _, owner := range slices.Sorted(maps.Keys(report)) {
		fmt.Fprintf(&out, "== %s\n%s", owner, report[owner])
	}
	return out.String()
}

// network does with one provider network what the controller does.
func (w *world) network(pn *kubeovnv1.ProviderNetwork, land Landscape) string {
	var out strings.Builder
	in := Input{Network: pn, Nodes: w.nodes}
	for _, part := range w.parts {
		if part.Spec.ProviderNetwork == pn.Name {
			in.Parts = append(in.Parts, part)
		}
	}
	out.WriteString(listed(Check(pn, w.nodes, w.networks)))
	work := Plan(in)
	for _, part := range work.Add {
		fmt.Fprintf(&out, "create %s\n", partText(part))
	}
	for _, change := range work.Change {
		fmt.Fprintf(&out, "change %s\n", partText(change.Want))
	}
	for _, part := range work.Remove {
		fmt.Fprintf(&out, "delete %s\n", part.Name)
	}
	in.renderReleases(&out)
	s := Summarise(in)
	fmt.Fprintf(&out, "ready %v of %+v\nnot ready %v\nvlans %v\n", s.Ready, s.Counts, s.NotReady, land.VlansOf(pn.Name))
	for _, failure := range s.Failures {
		fmt.Fprintf(&out, "failure %+v\n", failure)
	}
	fmt.Fprintf(&out, "condition %s=%s %s: %s\n", s.Condition.Type, s.Condition.Status, s.Condition.Reason, s.Condition.Message)
	in.renderLabels(&out)
	return out.String()
}

func (in Input) renderReleases(out *strings.Builder) {
	nodes := map[string]*corev1.Node{}
	for _, node := range in.Nodes {
		nodes[node.Name] = node
	}
	for name, part := range sortedParts(in.partsByNode()) {
		if part.DeletionTimestamp != nil {
			ok, again := Released(part, nodes[name], noon)
			fmt.Fprintf(out, "release %s: %v, again in %s\n", part.Name, ok, again)
		}
	}
}

func (in Input) renderLabels(out *strings.Builder) {
	parts, nodes := in.partsByNode(), slices.Clone(in.Nodes)
	slices.SortFunc(nodes, func(a, b *corev1.Node) int { return strings.Compare(a.Name, b.Name) })
	for _, node := range nodes {
		labels := NodeLabels(in.Network.Name, in.Network, node, parts[node.Name])
		for _, key := range slices.Sorted(maps.Keys(labels)) {
			if labels[key] != "" {
				fmt.Fprintf(out, "label %s: %s=%s\n", node.Name, key, labels[key])
			}
		}
	}
}

func sortedParts(parts map[string]*kubeovnv1.ProviderNetworkNode) func(func(string, *kubeovnv1.ProviderNetworkNode) bool) {
	return func(yield func(string, *kubeovnv1.ProviderNetworkNode) bool) {
		for _, name := range slices.Sorted(maps.Keys(parts)) {
			if !yield(name, parts[name]) {
				return
			}
		}
	}
}

func partText(part *kubeovnv1.ProviderNetworkNode) string {
	spec := part.Spec
	text := fmt.Sprintf("%s interfaces=%v", part.Name, spec.Interfaces)
	if spec.Attachment != "" {
		text += " attachment=" + string(spec.Attachment)
	}
	if spec.DryRun {
		text += " dryRun"
	}
	if spec.TrustPods {
		text += " trustPods"
	}
	if spec.ApprovedPlan != "" {
		text += " approved=" + spec.ApprovedPlan
	}
	return text
}

func listed(problems []plan.Problem) string {
	lines := make([]string, 0, len(problems))
	for _, problem := range problems {
		lines = append(lines, "problem "+problem.String()+"\n")
	}
	return strings.Join(slices.Sorted(slices.Values(lines)), "")
}
