package overlay

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/ipam"
)

const (
	onTheWire    = "localnet.office"
	strangersMAC = "52:54:00:00:00:99" // of the physical gateway, or any host of the wire
)

// TestMeaningOfUnderlay asks OVN what an underlay subnet does with each frame
// that tells it apart from an overlay one: who answers, what gets onto the wire,
// and that the wire and the router never meet.
func TestMeaningOfUnderlay(t *testing.T) {
	f := startFabric(t, "testdata/underlay/in.yaml")
	mac := func(port string) string { return macOf(f.portOf(port)).String() }
	router := RouterMAC("ovn-cluster", "office").String()
	_, lease, _ := f.registry.Lease("a.office")
	v4, v6 := lease.Addresses[0], lease.Addresses[1]
	ping4, ping6 := "ip.ttl == 64 && icmp4 && icmp4.type == 8", "ip.ttl == 64 && icmp6 && icmp6.type == 128"
	for _, test := range []struct {
		why, in, from, to, rest string
		ends                    []string
	}{
		{"to the gateway", "a.office", mac("a.office"), strangersMAC, fmt.Sprintf("ip4.src == %s && ip4.dst == 203.0.113.7 && %s", v4, ping4), []string{onTheWire}},
		{"to the gateway, IPv6", "a.office", mac("a.office"), strangersMAC, fmt.Sprintf("ip6.src == %s && ip6.dst == 2001:db8::7 && %s", v6, ping6), []string{onTheWire}},
		{"from the wire", onTheWire, strangersMAC, mac("a.office"), fmt.Sprintf("ip4.src == 203.0.113.7 && ip4.dst == %s && %s", v4, ping4), []string{"a.office"}},
		{"from pod to pod", "a.office", mac("a.office"), mac("static.office"), fmt.Sprintf("ip4.src == %s && ip4.dst == 192.168.7.50 && %s", v4, ping4), []string{"static.office"}},
		{"asking for a host", "a.office", mac("a.office"), "ff:ff:ff:ff:ff:ff", fmt.Sprintf("arp.op == 1 && arp.sha == %s && arp.spa == %s && arp.tha == 00:00:00:00:00:00 && arp.tpa == 192.168.7.254", mac("a.office"), v4), []string{onTheWire, "static.office"}},
		{"a MAC-only pod", "c.foreign", mac("c.foreign"), "ff:ff:ff:ff:ff:ff", "ip4.src == 0.0.0.0 && ip4.dst == 255.255.255.255 && ip.ttl == 64 && udp.src == 68 && udp.dst == 67", []string{"localnet.foreign"}},
		{"to a MAC-only pod", "localnet.foreign", strangersMAC, mac("c.foreign"), "ip4.src == 192.0.2.1 && ip4.dst == 192.0.2.9 && ip.ttl == 64 && udp.src == 67 && udp.dst == 68", []string{"c.foreign"}},

		{"asking for the way to Services", "a.office", mac("a.office"), "ff:ff:ff:ff:ff:ff", fmt.Sprintf("arp.op == 1 && arp.sha == %s && arp.spa == %s && arp.tha == 00:00:00:00:00:00 && arp.tpa == %s", mac("a.office"), v4, kubeovnv1.ServiceGateway4), []string{"a.office"}},
		// Its like of IPv6 cannot be traced: ovn-trace 25.03 ends at an assertion in nd_na_router.
		{"to a Service", "a.office", mac("a.office"), router, fmt.Sprintf("ip4.src == %s && ip4.dst == 10.96.0.10 && %s", v4, ping4), []string{"node-n1"}},
		{"to a Service, IPv6", "a.office", mac("a.office"), router, fmt.Sprintf("ip6.src == %s && ip6.dst == fd00:10:96::10 && %s", v6, ping6), []string{"node-n1"}},
		{"from a Service", "node-n1", mac("node-n1"), RouterMAC("ovn-cluster", "join").String(), fmt.Sprintf("ip4.src == 10.96.0.10 && ip4.dst == %s && %s", v4, ping4), []string{"a.office"}},
		{"from a Service, IPv6", "node-n1", mac("node-n1"), RouterMAC("ovn-cluster", "join").String(), fmt.Sprintf("ip6.src == fd00:10:96::10 && ip6.dst == %s && %s", v6, ping6), []string{"a.office"}},

		{"a stranger asks for a pod", onTheWire, strangersMAC, "ff:ff:ff:ff:ff:ff", "arp.op == 1 && arp.sha == " + strangersMAC + " && arp.spa == 192.168.7.9 && arp.tha == 00:00:00:00:00:00 && arp.tpa == 192.168.7.50", []string{"a.office", "static.office"}},
		{"a stranger asks for the router", onTheWire, strangersMAC, "ff:ff:ff:ff:ff:ff", "arp.op == 1 && arp.sha == " + strangersMAC + " && arp.spa == 192.168.7.9 && arp.tha == 00:00:00:00:00:00 && arp.tpa == 192.168.7.0", nil},
		{"a stranger asks for the way to Services, as for any address that nobody has", onTheWire, strangersMAC, "ff:ff:ff:ff:ff:ff", "arp.op == 1 && arp.sha == " + strangersMAC + " && arp.spa == 192.168.7.9 && arp.tha == 00:00:00:00:00:00 && arp.tpa == " + kubeovnv1.ServiceGateway4, []string{"a.office", "static.office"}},
		{"a stranger sends to the router", onTheWire, strangersMAC, router, "ip4.src == 192.168.7.9 && ip4.dst == 10.96.0.10 && " + ping4, nil},
		{"a bridge says what only bridges hear", onTheWire, strangersMAC, "01:80:c2:00:00:00", "eth.type == 0x88b6", nil},
		{"a pod says so", "a.office", mac("a.office"), "01:80:c2:00:00:0f", "eth.type == 0x88b6", nil},
		{"a pod says something else to a group", "a.office", mac("a.office"), "01:80:c2:00:00:10", "eth.type == 0x88b6", []string{onTheWire, "static.office"}},
		{"a bridge, to a MAC-only pod", "localnet.foreign", strangersMAC, "01:80:c2:00:00:00", "eth.type == 0x88b6", nil},
		{"the router asks on the wire", "node-n1", mac("node-n1"), RouterMAC("ovn-cluster", "join").String(), "ip4.src == 100.64.0.2 && ip4.dst == 192.168.7.200 && " + ping4, []string{"a.office", "static.office"}},
	} {
		t.Run(test.why, func(t *testing.T) {
			flow := fmt.Sprintf("inport == %q && eth.src == %s && eth.dst == %s && %s", test.in, test.from, test.to, test.rest)
			trace := f.Trace(f.portOf(test.in).Switch, flow)
			if ends := portsOf(trace); !slices.Equal(ends, test.ends) {
				t.Errorf("ends at %v, not %v:\n%s\n%s", ends, test.ends, flow, trace)
			}
		})
	}
}

// TestMeaningOfPrivateUnderlay asks OVN who reaches the pods of a private underlay
// subnet, and whom they reach. The wire knows hosts by their addresses only.
func TestMeaningOfPrivateUnderlay(t *testing.T) {
	f := startFabric(t, "testdata/underlay/in.yaml")
	const wire, pod, established = "localnet.closed", "p.closed", "--ct=est,rpl"
	mac, router := macOf(f.portOf(pod)).String(), RouterMAC("ovn-cluster", "closed").String()
	_, lease, _ := f.registry.Lease(pod)
	v4, v6 := lease.Addresses[0].String(), lease.Addresses[1].String()
	fromWire := func(source, destination string) string {
		return fmt.Sprintf("inport == %q && eth.src == %s && eth.dst == %s && %s", wire, strangersMAC, mac, ping(source, destination))
	}
	fromPod := func(to, destination string) string {
		source := v4
		if strings.Contains(destination, ":") {
			source = v6
		}
		return fmt.Sprintf("inport == %q && eth.src == %s && eth.dst == %s && %s", pod, mac, to, ping(source, destination))
	}
	service := fmt.Sprintf("inport == %q && eth.src == %s && eth.dst == %s && %s", "node-n1", macOf(f.portOf("node-n1")), RouterMAC("ovn-cluster", "join"), ping("10.96.0.10", v4))
	solicitation := fmt.Sprintf("inport == %q && eth.src == %s && eth.dst == %s && ip6.src == fe80::1 && ip6.dst == %s && ip.ttl == 255 && icmp6.type == 135 && icmp6.code == 0 && nd.target == %s && nd.sll == %s",
		wire, strangersMAC, mac, v6, v6, strangersMAC)
	for _, test := range []struct{ why, flow, ct, ends string }{
		{"a host of the same network", fromWire("192.168.10.77", v4), "", pod},
		{"a host of the same network, IPv6", fromWire("fd00:a::77", v6), "", pod},
		{"another pod", fromPod(macOf(f.portOf("q.closed")).String(), f.address("q.closed", "", ipam.IPv4).String()), "", "q.closed"},
		{"a network that is allowed", fromWire("192.0.2.9", v4), "", pod},
		{"a node", fromWire("192.168.8.11", v4), "", pod},
		{"not a host of another network", fromWire("203.0.113.7", v4), "", ""},
		{"not a host of another network, IPv6", fromWire("2001:db8::7", v6), "", ""},
		{"not a pod of another underlay subnet", fromWire("192.168.7.50", v4), "", ""},
		{"not a pod of the overlay", fromWire("10.16.0.9", v4), "", ""},
		{"the gateway looks whether the pod is there", solicitation, "", pod},
		{"what the pod asked for", fromWire("203.0.113.7", v4), established, pod},
		{"what the pod asked a Service for", service, established, pod},
		{"not somebody who says to be a Service", service, "", ""},
		{"to the outside", fromPod(strangersMAC, "203.0.113.7"), "", wire},
		{"to the outside, IPv6", fromPod(strangersMAC, "2001:db8::7"), "", wire},
		{"to a node, which another underlay subnet is around", fromPod(strangersMAC, "192.168.8.11"), "", wire},
		{"to a Service", fromPod(router, "10.96.0.10"), "", "node-n1"},
		{"not to another subnet", fromPod(strangersMAC, "192.168.7.50"), "", ""},
		{"not to the overlay", fromPod(strangersMAC, "10.16.0.9"), "", ""},
	} {
		t.Run(test.why, func(t *testing.T) {
			at, ct := "closed", cmp.Or(test.ct, "--ct=new")
			if test.flow == service {
				at = "join"
			}
			trace := f.Trace(at, test.flow, ct, ct) // in the zones of both ports
			if ends := strings.Join(portsOf(trace), " "); ends != test.ends {
				t.Errorf("ends at %q, not %q:\n%s\n%s", ends, test.ends, test.flow, trace)
			}
		})
	}
}

// ping is a flow's words for an echo request.
func ping(source, destination string) string {
	if strings.Contains(source, ":") {
		return fmt.Sprintf("ip6.src == %s && ip6.dst == %s && ip.ttl == 64 && icmp6 && icmp6.type == 128", source, destination)
	}
	return fmt.Sprintf("ip4.src == %s && ip4.dst == %s && ip.ttl == 64 && icmp4 && icmp4.type == 8", source, destination)
}

// portsOf lists the pods, nodes and wires that a traced packet, or the answer to
// it, comes out at.
func portsOf(trace string) []string {
	var ports []string
	for _, found := range regexp.MustCompile(`output\("([^"]+)"\)`).FindAllStringSubmatch(trace, -1) {
		if !strings.HasSuffix(found[1], "-ovn-cluster") {
			ports = append(ports, found[1])
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// TestUnderlayMayHaveNodesInIt: that is what a physical network is for.
func TestUnderlayMayHaveNodesInIt(t *testing.T) {
	w := readWorld(t, "testdata/underlay/in.yaml")
	if report := w.plan().report["Subnet//plain"]; strings.Contains(report, "problem") {
		t.Error(report)
	}
}
