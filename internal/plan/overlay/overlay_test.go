package overlay

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/ipam"
	"hawser/internal/plan"
)

func prefixes(text string) []netip.Prefix {
	var list []netip.Prefix
	for word := range strings.FieldsSeq(text) {
		list = append(list, netip.MustParsePrefix(word))
	}
	return list
}

// TestMistakesElsewhereDoNotIsolate: a subnet that Check refuses, and that
// claims what a private subnet needs, changes nothing for the private one.
func TestMistakesElsewhereDoNotIsolate(t *testing.T) {
	in := SubnetInput{
		Cluster: testCluster,
		Network: Network{Name: "closed", Vpc: testCluster.Vpc, Private: true, Prefixes: prefixes("10.18.0.0/24"), Gateways: []netip.Addr{netip.MustParseAddr("10.18.0.1")}},
		Join:    Network{Prefixes: prefixes("100.64.0.0/16")},
		Others:  prefixes("10.17.0.0/24"),
	}
	want, _ := Subnet(in)
	in.Others = prefixes("10.18.0.128/25 10.17.0.0/24 10.0.0.0/8 100.64.3.0/24 10.96.0.0/12")
	got, _ := Subnet(in)
	if got.Text() != want.Text() {
		t.Errorf("with mistakes elsewhere:\n%s\nwithout:\n%s", got.Text(), want.Text())
	}
}

// TestAttachmentsAreNotRealised: a subnet without a VPC has no router to join.
func TestAttachmentsAreNotRealised(t *testing.T) {
	n, _ := Parse(testCluster, &kubeovnv1.Subnet{Spec: kubeovnv1.SubnetSpec{CIDRBlock: "10.19.0.0/24", Provider: "net1.default"}})
	if state, problems := Subnet(SubnetInput{Cluster: testCluster, Network: n}); len(problems) != 1 || state.Text() != "nothing\n" {
		t.Errorf("%v\n%s", problems, state.Text())
	}
}

// TestChangeThatTakesAddresses: the subnet is left as it was, and says who is in
// the way.
func TestChangeThatTakesAddresses(t *testing.T) {
	registry := ipam.New(func() uint64 { return 1 })
	s := &kubeovnv1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "s"}, Spec: kubeovnv1.SubnetSpec{CIDRBlock: "10.19.0.0/24"}}
	n, _ := Parse(testCluster, s)
	registry.SetSubnet(n.Space())
	if _, err := registry.Allocate("s", "web-0.shop", ipam.Request{}); err != nil {
		t.Fatal(err)
	}
	s.Spec.Gateway = "10.19.0.2"
	n, _ = Parse(testCluster, s)
	problems := Check(testCluster, s, Surroundings{Misfit: registry.Misfit(n.Space())})
	want := "Subnet//s: InUse: web-0.shop would lose its address with this change: address 10.19.0.2 is reserved in subnet s; undo it, or delete the holder first"
	if len(problems) != 1 || problems[0].String() != want {
		t.Errorf("got %v, want %s", problems, want)
	}
}

// TestNodeGroupSpeaksOVN: the name stands in expressions.
func TestNodeGroupSpeaksOVN(t *testing.T) {
	if got := NodeGroup("worker-2.example"); got != "node.worker.2.example" {
		t.Error(got)
	}
}

// TestPoolOfAStatefulSet: the set's first pod has the pool's first entry, from
// whatever ordinal the set counts.
func TestPoolOfAStatefulSet(t *testing.T) {
	n, _ := Parse(testCluster, &kubeovnv1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "s"}, Spec: kubeovnv1.SubnetSpec{CIDRBlock: "10.19.0.0/24"}})
	for _, c := range []struct {
		pod   string
		start int32
		want  string
	}{
		{"web-0", 0, "10.19.0.10"},
		{"web-2", 0, "10.19.0.12"},
		{"web-3", 0, "10.19.0.10"},
		{"web-5", 5, "10.19.0.10"},
		{"web-7", 5, "10.19.0.12"},
		{"web-4", 5, "10.19.0.12"},
	} {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: c.pod, Annotations: map[string]string{
			kubeovnv1.AnnotationIPPool: "10.19.0.10,10.19.0.11,10.19.0.12",
		}}}
		controller := true
		pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "web", Controller: &controller}}
		set := &appsv1.StatefulSet{Spec: appsv1.StatefulSetSpec{Ordinals: &appsv1.StatefulSetOrdinals{Start: c.start}}}
		want, problems := Wants(pod, set, n)
		if len(problems) > 0 || len(want.Candidates) != 1 || want.Candidates[0][0].String() != c.want {
			t.Errorf("%s of a set from %d: %v %v, want %s", c.pod, c.start, want.Candidates, problems, c.want)
		}
	}
}

// TestNodesOfOneGroup: the names of two nodes differ in a letter that OVN's
// expressions do not have. The elder has the group.
func TestNodesOfOneGroup(t *testing.T) {
	node := func(name string, age time.Duration) *corev1.Node {
		return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(time.Unix(0, 0).Add(-age))}}
	}
	nodes := []*corev1.Node{node("n-1", time.Hour), node("n.1", time.Minute), node("n-2", time.Hour)}
	lease := ipam.Lease{Addresses: []netip.Addr{netip.MustParseAddr("100.64.0.2")}}
	for _, n := range nodes {
		_, problems := Node(NodeInput{Cluster: testCluster, Node: n, Nodes: nodes, Lease: lease})
		switch {
		case n.Name != "n.1" && len(problems) != 0:
			t.Errorf("%s: %v", n.Name, problems)
		case n.Name == "n.1" && (len(problems) != 1 || problems[0].Reason != plan.NameClash || !strings.Contains(problems[0].Message, "n-1")):
			t.Errorf("%s: %v", n.Name, problems)
		}
	}
}

// BenchmarkPod is what planning costs for one more pod among 50 subnets with 20
// namespaces each: it must be little beside the 2 ms that a pod may cost.
func BenchmarkPod(b *testing.B) {
	var subnets []*kubeovnv1.Subnet
	for i := range 50 {
		s := &kubeovnv1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("subnet-", i)}}
		s.Spec.CIDRBlock = fmt.Sprintf("10.%d.0.0/16,fd00:%d::/112", i+20, i+20)
		s.Spec.NamespaceSelectors = []metav1.LabelSelector{{MatchLabels: map[string]string{"team": fmt.Sprint(i)}}}
		for j := range 20 {
			s.Spec.Namespaces = append(s.Spec.Namespaces, fmt.Sprintf("ns-%d-%d", i, j))
		}
		subnets = append(subnets, s)
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "ns-49-19"}}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: "web-0"}, Spec: corev1.PodSpec{NodeName: "n1"}}
	lease := ipam.Lease{Addresses: []netip.Addr{netip.MustParseAddr("10.69.0.2"), netip.MustParseAddr("fd00:69::2")}}
	for b.Loop() {
		names, _ := Choose(testCluster, pod, ns, subnets)
		if len(names) != 1 {
			b.Fatal(names)
		}
		n, _ := Parse(testCluster, subnets[49])
		Wants(pod, nil, n)
		in := PodInput{Cluster: testCluster, Pod: pod, Network: n, Lease: lease}
		Pod(in)
		PodAnnotations(in)
	}
}
