package overlay

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
	"hawser/internal/plan"
	"hawser/test/golden"
)

// document is an Input as it stands in a file.
type document struct {
	Interface  string
	MTU        int
	Encap      string
	Userspace  bool
	Node       corev1.Node
	Others     []corev1.Node
	Subnets    []kubeovnv1.Subnet
	Forwards6  bool
	Advertised []string
	Links      []struct {
		Name, Kind, Parent, Alias, MAC string
		MTU                            int
		Loopback                       bool
		Addresses                      []string
	}
}

func load(t *testing.T, path string) Input {
	t.Helper()
	var doc document
	golden.Read(t, path, &doc)
	in := Input{
		Options: Options{
			Interface: doc.Interface, MTU: doc.MTU, EncapChecksum: true, Vpc: "ovn-cluster", JoinSubnet: "join",
		},
		Node: &doc.Node, Nodes: append(doc.Others, doc.Node), Subnets: doc.Subnets, Userspace: doc.Userspace,
		Host: host.Snapshot{Forwards6: doc.Forwards6, Advertised: doc.Advertised},
	}
	if doc.Encap != "" {
		in.Options.EncapCIDR = netip.MustParsePrefix(doc.Encap)
	}
	for _, link := range doc.Links {
		mac, _ := host.ParseMAC(link.MAC)
		in.Host.Links = append(in.Host.Links, host.Link{
			Name: link.Name, Kind: link.Kind, Parent: link.Parent, Alias: link.Alias, MAC: mac, MTU: link.MTU, Loopback: link.Loopback,
		})
		for _, prefix := range link.Addresses {
			in.Host.Addresses = append(in.Host.Addresses, host.Address{Link: link.Name, Prefix: netip.MustParsePrefix(prefix)})
		}
	}
	return in
}

func text(in Input) string {
	result, problems := Plan(in)
	var out strings.Builder
	for _, problem := range problems {
		out.WriteString("problem " + problem.String() + "\n")
	}
	if result == nil {
		return out.String() + "no plan: everything stays\n"
	}
	return out.String() + result.Desired.Text()
}

func TestGolden(t *testing.T) {
	golden.Run(t, func(t *testing.T, path string) golden.Case {
		in := load(t, path)
		return golden.Case{Text: func() string { return text(in) }, Shuffle: func(random *rand.Rand) { shuffle(random, in) }}
	})
}

// shuffle changes the order of what comes in no order. That of links and of
// their addresses is the kernel's and means something.
func shuffle(random *rand.Rand, in Input) {
	golden.Shuffle(random, in.Nodes)
	golden.Shuffle(random, in.Subnets)
}

// TestPodMTU: what a pod may send is what the tunnel's NIC leaves of a frame.
func TestPodMTU(t *testing.T) {
	for name, want := range map[string]int{"kernel-ipv4": 1400, "kernel-dual": 8900, "kernel-ipv6": 1380, "userspace-dual": 1400} {
		result, _ := Plan(load(t, "testdata/"+name+"/in.yaml"))
		if result.PodMTU != want {
			t.Errorf("%s: pods get an MTU of %d, want %d", name, result.PodMTU, want)
		}
	}
	in := load(t, "testdata/kernel-ipv4/in.yaml")
	in.Options.MTU = 1234
	if result, _ := Plan(in); result.PodMTU != 1234 {
		t.Errorf("--mtu is overruled by %d", result.PodMTU)
	}
}

// TestTunnelInterface: which NIC and address tunnels end at, or why there is none.
func TestTunnelInterface(t *testing.T) {
	for _, c := range []struct {
		name, iface, annotation string
		want                    string
		problem                 plan.Reason
	}{
		{name: "exact before expression", iface: "eth1.*,eth1", want: "10.0.1.11"},
		{name: "exact name is no prefix", iface: "eth1", want: "10.0.1.11"},
		{name: "expression is anchored", iface: "th1", problem: TunnelInterfaceNotFound},
		{name: "expression in the kernel's order", iface: "eth1[0-9]", want: "10.0.10.11"},
		{name: "first with an address", iface: "bare,eth10", want: "10.0.10.11"},
		{name: "spaces in the list", iface: "none, eth10", want: "10.0.10.11"},
		{name: "annotation before flag", iface: "eth10", annotation: "eth1", want: "10.0.1.11"},
		{name: "annotation names nothing", iface: "eth10", annotation: "eth7", problem: TunnelInterfaceNotFound},
		{name: "virtual addresses do not count", iface: "vips", problem: TunnelAddressMissing},
		{name: "not an expression", iface: "eth[", problem: plan.Malformed},
		{name: "expression never means pods", iface: ".*_h", problem: TunnelInterfaceNotFound},
		{name: "the node's own address first", iface: "eth0", want: "172.30.0.11"},
		{name: "the other family if need be", iface: "six", want: "fd00:6::11"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := load(t, "testdata/kernel-ipv4/in.yaml")
			in.Options.Interface = c.iface
			in.Host.Links = append(in.Host.Links, manyLinks()...)
			in.Host.Addresses = append(in.Host.Addresses, manyAddresses()...)
			if c.annotation != "" {
				in.Node.Annotations[kubeovnv1.AnnotationTunnelInterface] = c.annotation
			}
			result, problems := Plan(in)
			if got := result.Desired.ExternalIDs["ovn-encap-ip"]; got != c.want {
				t.Errorf("tunnels end at %q, want %q", got, c.want)
			}
			if c.problem == "" && len(problems) > 0 || c.problem != "" && (len(problems) != 1 || problems[0].Reason != c.problem) {
				t.Errorf("problems are %v, want %q", problems, c.problem)
			}
			if len(result.Desired.Network.Routes) == 0 {
				t.Error("ovn0's part is missing from the plan")
			}
		})
	}
}

func manyLinks() []host.Link {
	var out []host.Link
	for _, name := range []string{"eth10", "eth1", "bare", "vips", "six", "0123456789ab_h"} {
		out = append(out, host.Link{Name: name, MTU: 1500})
	}
	out[len(out)-1].Alias = "Pod/default/web"
	return out
}

func manyAddresses() []host.Address {
	var out []host.Address
	for link, prefix := range map[string]string{
		"eth1": "10.0.1.11/24", "eth10": "10.0.10.11/24", "vips": "10.9.9.9/32", "six": "fd00:6::11/64", "0123456789ab_h": "10.7.7.7/24",
	} {
		out = append(out, host.Address{Link: link, Prefix: netip.MustParsePrefix(prefix)})
	}
	return append(out, host.Address{Link: "eth0", Prefix: netip.MustParsePrefix("172.30.0.99/24")})
}

// TestNoPlan: what cannot be read of the annotations changes nothing.
func TestNoPlan(t *testing.T) {
	for key, value := range map[string]string{
		kubeovnv1.AnnotationIPAddress:  "",
		kubeovnv1.AnnotationMACAddress: "nonsense",
		kubeovnv1.AnnotationCIDR:       "100.64.0.0",
		kubeovnv1.AnnotationGateway:    "100.64.0.1,fd00:100:64::1",
	} {
		in := load(t, "testdata/kernel-ipv4/in.yaml")
		in.Node.Annotations[key] = value
		if result, problems := Plan(in); result != nil || len(problems) != 1 {
			t.Errorf("%s=%q: plan %v, problems %v", key, value, result, problems)
		}
	}
	for key, value := range map[string]string{
		kubeovnv1.AnnotationIPAddress: "100.64.x",
		kubeovnv1.AnnotationGateway:   "100.65.0.1",
		kubeovnv1.AnnotationCIDR:      "100.65.0.0/16",
	} {
		in := load(t, "testdata/kernel-ipv4/in.yaml")
		in.Node.Annotations[key] = value
		if _, problems := Plan(in); len(problems) != 1 || problems[0].Reason != plan.Malformed {
			t.Errorf("%s=%q: problems %v", key, value, problems)
		}
	}
	in := load(t, "testdata/kernel-ipv4/in.yaml")
	in.Node.Annotations[kubeovnv1.AnnotationGateway] = "none"
	if _, problems := Plan(in); len(problems) != 1 {
		t.Errorf("problems %v", problems)
	}
}

// TestNodeAddressIsNowhere: a kubelet with a wrong --node-ip.
func TestNodeAddressIsNowhere(t *testing.T) {
	in := load(t, "testdata/kernel-ipv4/in.yaml")
	in.Host.Addresses = nil
	result, problems := Plan(in)
	if len(problems) != 1 || problems[0].Reason != TunnelInterfaceNotFound || !strings.Contains(problems[0].Message, "172.30.0.11") {
		t.Errorf("problems %v", problems)
	}
	if route := result.Desired.Network.Routes[0]; route.Source.IsValid() {
		t.Errorf("the kernel would refuse a source that is not on the node: %v", route)
	}
	in.Node.Status.Addresses, in.Nodes = nil, nil
	if _, problems := Plan(in); !strings.Contains(problems[0].Message, "(none)") {
		t.Errorf("problems %v", problems)
	}
}

// TestEncapAddress: the range for userspace tunnels.
func TestEncapAddress(t *testing.T) {
	for _, c := range []struct {
		encap, want string
		ok          bool
	}{
		{"198.18.0.0/16", "198.18.0.2/16", true},
		{"198.18.77.1/15", "198.18.0.2/15", true},
		{"fd00:e::/64", "fd00:e::2/64", true},
		{"", "", false},
		{"198.18.0.0/31", "", false},
		{"172.30.0.0/16", "", false},
	} {
		in := load(t, "testdata/userspace-dual/in.yaml")
		in.Options.EncapCIDR = netip.Prefix{}
		if c.encap != "" {
			in.Options.EncapCIDR = netip.MustParsePrefix(c.encap)
		}
		result, problems := Plan(in)
		if c.ok != (len(problems) == 0) {
			t.Errorf("%s: problems %v", c.encap, problems)
			continue
		}
		if addresses := result.Desired.Confined; c.ok && addresses[0].Prefix.String() != c.want {
			t.Errorf("%s: encapsulation address %s, want %s", c.encap, addresses[0].Prefix, c.want)
		}
	}
}

// TestPortFollowsDevice: OVS listens to the device that a port was added with.
func TestPortFollowsDevice(t *testing.T) {
	hasPort := func(in Input) bool {
		result, _ := Plan(in)
		return strings.Contains(result.Desired.Text(), "port hwencap on br-encap")
	}
	if !hasPort(load(t, "testdata/userspace-dual/in.yaml")) {
		t.Error("no port for a device that is there")
	}
	for name, change := range map[string]func(links []host.Link) []host.Link{
		"gone":            func(links []host.Link) []host.Link { return links[:1] },
		"on another NIC":  func(links []host.Link) []host.Link { links[1].Parent = "eth9"; return links },
		"of another MAC":  func(links []host.Link) []host.Link { links[1].MAC[5]++; return links },
		"of another kind": func(links []host.Link) []host.Link { links[1].Kind = "dummy"; return links },
	} {
		in := load(t, "testdata/userspace-dual/in.yaml")
		in.Host.Links = change(in.Host.Links)
		if hasPort(in) {
			t.Errorf("%s: the port stays with a device that will be made anew", name)
		}
	}
}

// TestBrokenTunnelIsKept: a wrong setting takes nothing from running pods.
func TestBrokenTunnelIsKept(t *testing.T) {
	in := load(t, "testdata/userspace-dual/in.yaml")
	good, _ := Plan(in)
	in.Options.Interface = "no-such-nic"
	kept, problems := Plan(in)
	if len(problems) != 1 || kept.PodMTU != 0 {
		t.Errorf("problems %v, MTU %d", problems, kept.PodMTU)
	}
	if diff := cmp.Diff(good.Desired.Switching.Bridges, kept.Desired.Switching.Bridges); diff != "" {
		t.Error(diff)
	}
	if len(kept.Desired.ExternalIDs) != 0 || len(kept.Desired.Confined) != 1 || !cmp.Equal(kept.Desired.Network.Links, good.Desired.Network.Links) {
		t.Errorf("kept:\n%s", kept.Desired.Text())
	}
}

// TestIPv6Problems: what would harm a node, or be of no use, is said instead.
func TestIPv6Problems(t *testing.T) {
	in := load(t, "testdata/kernel-ipv6/in.yaml")
	in.Host.Forwards6, in.Host.Advertised = false, []string{"eth0"}
	result, problems := Plan(in)
	if len(problems) != 1 || problems[0].Reason != ForwardingOff || strings.Contains(result.Desired.Text(), "all/forwarding") {
		t.Errorf("problems %v", problems)
	}
	in.Host.Forwards6 = true
	in.Options.MTU = 1200
	if _, problems := Plan(in); len(problems) != 1 || problems[0].Reason != MTUTooSmall {
		t.Errorf("problems %v", problems)
	}
}
