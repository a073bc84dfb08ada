package overlay

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
	"hawser/internal/ipam"
	"hawser/internal/logical"
	"hawser/internal/plan"
	"hawser/test/golden"
)

// world is the objects of a cluster, as in.yaml lists them.
type world struct {
	cluster    Cluster
	vpcs       []*kubeovnv1.Vpc
	subnets    []*kubeovnv1.Subnet
	ips        []*kubeovnv1.IP
	nodes      []*corev1.Node
	namespaces []*corev1.Namespace
	pods       []*corev1.Pod
}

// testCluster is the configuration of all golden cases.
var testCluster = Cluster{
	Vpc: kubeovnv1.DefaultVpc, DefaultSubnet: kubeovnv1.DefaultSubnet, JoinSubnet: kubeovnv1.JoinSubnet,
	ServiceCIDRs: []netip.Prefix{netip.MustParsePrefix("10.96.0.0/16"), netip.MustParsePrefix("fd00:10:96::/112")},
	APIServers:   []netip.Addr{netip.MustParseAddr("10.96.0.1")},
}

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
	w := &world{cluster: testCluster}
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
	case "Vpc":
		return addTo(&w.vpcs, document)
	case "Subnet":
		return addTo(&w.subnets, document)
	case "IP":
		return addTo(&w.ips, document)
	case "Node":
		return addTo(&w.nodes, document)
	case "Namespace":
		return addTo(&w.namespaces, document)
	case "Pod":
		return addTo(&w.pods, document)
	}
	return fmt.Errorf("unknown kind %q", head.Kind)
}

func addTo[O any](list *[]*O, document []byte) error {
	object := new(O)
	*list = append(*list, object)
	return yaml.UnmarshalStrict(document, object)
}

func (w *world) shuffle(random *rand.Rand) {
	golden.Shuffle(random, w.vpcs)
	golden.Shuffle(random, w.subnets)
	golden.Shuffle(random, w.ips)
	golden.Shuffle(random, w.nodes)
	golden.Shuffle(random, w.namespaces)
	golden.Shuffle(random, w.pods)
	for _, node := range w.nodes {
		golden.Shuffle(random, node.Status.Addresses)
	}
	for _, subnet := range w.subnets {
		golden.Shuffle(random, subnet.Spec.AllowSubnets)
		golden.Shuffle(random, subnet.Spec.ExcludeIPs)
	}
}

// planned is what becomes of a world: the state of each owner, and a report.
type planned struct {
	*world
	networks map[string]Network
	registry *ipam.Registry
	states   map[logical.Owner]logical.State
	report   map[string]string
}

func (w *world) render() string {
	p := w.plan()
	var out strings.Builder
	for _, owner := range slices.Sorted(maps.Keys(p.report)) {
		fmt.Fprintf(&out, "== %s\n%s", owner, p.report[owner])
	}
	return out.String()
}

// plan does what the controller does, in memory: the fit subnets are opened,
// the leases of IP objects restored, and pods without one get an address in the
// order of their names.
func (w *world) plan() *planned {
	draws := uint64(0)
	p := &planned{
		world: w, networks: map[string]Network{}, states: map[logical.Owner]logical.State{}, report: map[string]string{},
		registry: ipam.New(func() uint64 { draws++; return draws<<8 | 0x0e }),
	}
	for _, s := range w.subnets {
		p.readSubnet(s)
	}
	p.restore()
	for _, vpc := range w.vpcs {
		state, problems := Vpc(VpcInput{Cluster: w.cluster, Vpc: vpc, Join: p.networks[w.cluster.JoinSubnet]})
		p.note(VpcOwner(vpc.Name), state, problems, nil)
	}
	for _, n := range p.networks {
		p.planSubnet(n)
	}
	for _, node := range w.nodes {
		p.planNode(node)
	}
	for _, ns := range w.namespaces {
		p.report["Namespace//"+ns.Name] = listed("annotation", NamespaceAnnotations(w.cluster, ns, w.subnets))
	}
	slices.SortFunc(w.pods, func(a, b *corev1.Pod) int { return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name) })
	for _, pod := range w.pods {
		p.planPod(pod)
	}
	return p
}

func (p *planned) readSubnet(s *kubeovnv1.Subnet) {
	around := Surroundings{Subnets: p.subnets}
	for _, vpc := range p.vpcs {
		around.Vpcs = append(around.Vpcs, vpc.Name)
	}
	for _, node := range p.nodes {
		around.NodeIPs = append(around.NodeIPs, InternalIPs(node)...)
	}
	n, problems := Parse(p.cluster, s)
	problems = append(problems, Check(p.cluster, s, around)...)
	owner := SubnetOwner(s.Name)
	p.report[owner.String()] = listed("fill", Defaults(p.cluster, s))
	if len(problems) > 0 {
		p.note(owner, logical.State{}, problems, nil)
		return
	}
	if n.Vlan != "" { // which package underlay looks up: here, v100 is 100 of net1
		n.Localnet.Provider = "net1"
		n.Localnet.VLAN, _ = strconv.Atoi(strings.TrimPrefix(n.Vlan, "v"))
	}
	p.networks[s.Name] = n
	p.registry.SetSubnet(n.Space())
}

func (p *planned) restore() {
	for _, object := range p.ips {
		var lease ipam.Lease
		for _, text := range []string{object.Spec.V4IPAddress, object.Spec.V6IPAddress} {
			if text != "" {
				lease.Addresses = append(lease.Addresses, netip.MustParseAddr(text))
			}
		}
		lease.MAC, _ = host.ParseMAC(object.Spec.MacAddress)
		if err := p.registry.Restore(object.Spec.Subnet, object.Name, lease); err != nil {
			p.report["IP//"+object.Name] = err.Error() + "\n"
		}
	}
}

func (p *planned) planSubnet(n Network) {
	in := SubnetInput{Cluster: p.cluster, Network: n, Join: p.networks[p.cluster.JoinSubnet]}
	for _, other := range p.networks {
		if other.Name != n.Name && other.Name != p.cluster.JoinSubnet && other.Vpc == n.Vpc {
			in.Others = append(in.Others, other.Prefixes...)
		}
	}
	state, problems := Subnet(in)
	p.note(SubnetOwner(n.Name), state, problems, nil)
}

func (p *planned) planNode(node *corev1.Node) {
	in := NodeInput{Cluster: p.cluster, Node: node, Nodes: p.nodes, Join: p.networks[p.cluster.JoinSubnet]}
	_, in.Lease, _ = p.registry.Lease(NodePortName(node.Name))
	state, problems := Node(in)
	p.note(NodeOwner(node.Name), state, problems, NodeAnnotations(in))
}

func (p *planned) planPod(pod *corev1.Pod) {
	in := PodInput{Cluster: p.cluster, Pod: pod}
	ns := &corev1.Namespace{}
	for _, one := range p.namespaces {
		if one.Name == pod.Namespace {
			ns = one
		}
	}
	owner := PodOwner(pod.Namespace, pod.Name)
	names, problems := Choose(p.cluster, pod, ns, p.subnets)
	p.report[owner.String()] = "from " + strings.Join(names, ", ") + "\n"
	for _, name := range names {
		in.Network = p.networks[name]
		want, wrong := Wants(pod, nil, in.Network)
		problems = append(problems, wrong...)
		if len(problems) > 0 {
			break
		}
		lease, err := p.registry.Allocate(name, PodPortName(pod.Namespace, pod.Name), want)
		if err == nil {
			in.Lease = lease
			break
		}
		p.report[owner.String()] += "refused: " + err.Error() + "\n"
	}
	var state logical.State
	if len(problems) == 0 {
		state, problems = Pod(in)
	}
	p.note(owner, state, problems, PodAnnotations(in))
}

// note keeps what a planner said; annotations are of interest only without
// problems.
func (p *planned) note(owner logical.Owner, state logical.State, problems []plan.Problem, annotations map[string]string) {
	p.states[owner] = state
	lines := make([]string, 0, len(problems))
	for _, problem := range problems {
		lines = append(lines, "problem "+problem.String()+"\n")
	}
	p.report[owner.String()] += strings.Join(slices.Sorted(slices.Values(lines)), "")
	if len(problems) == 0 {
		p.report[owner.String()] += listed("annotation", annotations) + state.Text()
	}
}

func listed[V any](word string, values map[string]V) string {
	var out strings.Builder
	for _, key := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(&out, "%s %s=%v\n", word, strings.TrimPrefix(key, "ovn.kubernetes.io/"), values[key])
	}
	return out.String()
}
