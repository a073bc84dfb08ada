package overlay

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"hawser/internal/host"
	"hawser/internal/ipam"
	"hawser/internal/logical"
	"hawser/internal/northbound"
	"hawser/test/ovntest"
)

// dropped is where a packet ends that goes nowhere.
const dropped = "nowhere"

// TestMeaning asks OVN itself what the plans mean: testdata/trace is applied to
// a real northbound database, and ovn-trace follows packets through what
// ovn-northd makes of it. Every packet is sent in both families.
//
// A place is a pod's or node's port, or an address beyond the overlay. A packet
// whose destination is not a port is sent to the router, as a pod would.
func TestMeaning(t *testing.T) {
	net := startFabric(t, "testdata/trace/in.yaml")
	for _, test := range []struct{ why, from, to, ends string }{
		{"same subnet", "a.default", "b.default", "b.default"},
		{"other subnet", "a.default", "c.other", "c.other"},
		{"and back", "c.other", "a.default", "a.default"},
		{"the gateway answers", "a.default", "gateway", "a.default"},

		{"the outside, by the pod's own node", "a.default", "outside", "node-n1"},
		{"the outside, by the other node", "b.default", "outside", "node-node-2.example"},
		{"a Service, by the pod's own node", "a.default", "service", "node-n1"},
		{"its own node", "a.default", "n1", "node-n1"},
		{"another node", "a.default", "node-2.example", "node-node-2.example"},
		{"another node's ovn0", "a.default", "node-node-2.example", "node-node-2.example"},
		{"an address that no pod has", "a.default", "unused", dropped},

		{"a node's probe of its own pod", "n1", "a.default", "a.default"},
		{"a node to a pod elsewhere", "n1", "b.default", "b.default"},
		{"from ovn0's address", "node-n1", "b.default", "b.default"},
		{"ovn0 to ovn0", "node-n1", "node-node-2.example", "node-node-2.example"},

		{"private: from the same subnet", "p.closed", "q.closed", "q.closed"},
		{"private: not from another subnet", "a.default", "p.closed", dropped},
		{"private: not from another subnet, behind the other node", "c.other", "q.closed", dropped},
		{"private: from an allowed subnet", "r.partner", "p.closed", "p.closed"},
		{"private: to an allowed subnet", "p.closed", "r.partner", "r.partner"},
		{"private: not to another subnet", "p.closed", "a.default", dropped},
		{"private: probes of its node", "n1", "p.closed", "p.closed"},
		{"private: other nodes, such as the API server's", "node-2.example", "p.closed", "p.closed"},
		{"private: what a node masquerades", "node-n1", "p.closed", "p.closed"},
		{"private: not from the outside", "outside", "p.closed", dropped},
		{"private: to the outside", "p.closed", "outside", "node-n1"},
		{"private: to Services", "q.closed", "service", "node-node-2.example"},
		{"private: to its node", "p.closed", "n1", "node-n1"},

		{"custom VPC: same subnet", "t.tenant", "u.tenant", "u.tenant"},
		{"custom VPC: no way out", "t.tenant", "outside", dropped},
		{"custom VPC: no way to nodes", "t.tenant", "n1", dropped},
		{"custom VPC: not to the default VPC", "t.tenant", "c.other", dropped},
		{"default VPC: not to a custom one", "c.other", "v.tenant-closed", "node-node-2.example"},
		{"custom VPC: private", "t.tenant", "v.tenant-closed", dropped},
	} {
		for _, family := range []ipam.Family{ipam.IPv4, ipam.IPv6} {
			t.Run(fmt.Sprintf("%s/%s/%s→%s", family, test.why, test.from, test.to), func(t *testing.T) {
				if ends, trace := net.send(test.from, test.to, family); ends != test.ends {
					t.Errorf("ends at %s, not %s:\n%s", ends, test.ends, trace)
				}
			})
		}
	}
}

// TestAnswersIntoPrivateSubnet: what a pod of a private subnet asked for comes
// back, because the connection is known.
func TestAnswersIntoPrivateSubnet(t *testing.T) {
	net := startFabric(t, "testdata/trace/in.yaml")
	for _, family := range []ipam.Family{ipam.IPv4, ipam.IPv6} {
		if ends, trace := net.send("outside", "p.closed", family, "--ct=est,rpl"); ends != "p.closed" {
			t.Errorf("%s: ends at %s:\n%s", family, ends, trace)
		}
		if ends, trace := net.send("outside", "p.closed", family, "--ct=new"); ends != dropped {
			t.Errorf("%s: a new connection ends at %s:\n%s", family, ends, trace)
		}
	}
}

// fabric is a world of testdata in a real OVN.
type fabric struct {
	*ovntest.Network
	*planned
}

func startFabric(t *testing.T, world string) *fabric {
	t.Helper()
	f := &fabric{Network: ovntest.Start(t), planned: readWorld(t, world).plan()}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	client, err := northbound.Dial(ctx, northbound.Config{Endpoints: []string{f.NB.Endpoint}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	for _, kind := range []string{"Vpc", "Subnet", "Node", "Pod"} { // parents first
		for owner, state := range f.states {
			if owner.Kind != kind {
				continue
			}
			if _, err := client.Apply(ctx, owner, state); err != nil {
				t.Fatal(owner, err)
			}
		}
	}
	f.Sync()
	return f
}

// send follows a ping and says at which port it ends, and how.
func (f *fabric) send(from, to string, family ipam.Family, options ...string) (ends, trace string) {
	port, source := f.entry(from, family)
	destination := f.address(to, from, family)
	at := f.portOf(port)
	target := RouterMAC(f.networks[at.Switch].Vpc, at.Switch)
	for _, state := range f.states {
		for _, other := range state.SwitchPorts {
			if other.Switch == at.Switch && other.Name == to {
				target = macOf(other)
			}
		}
	}
	ping := map[ipam.Family]string{
		ipam.IPv4: "ip4.src == %s && ip4.dst == %s && icmp4 && icmp4.type == 8",
		ipam.IPv6: "ip6.src == %s && ip6.dst == %s && icmp6 && icmp6.type == 128",
	}[family]
	flow := fmt.Sprintf("inport == %q && eth.src == %s && eth.dst == %s && ip.ttl == 64 && "+ping, port, macOf(at), target, source, destination)
	trace = flow + "\n" + f.Trace(at.Switch, flow, options...)
	if found := regexp.MustCompile(`output\("([^"]+)"\)`).FindAllStringSubmatch(trace, -1); len(found) == 1 {
		return found[0][1], trace
	}
	return dropped, trace
}

// entry is the port at which a packet enters the overlay, and its source.
// What comes from a node or from the outside enters at n1's ovn0.
func (f *fabric) entry(from string, family ipam.Family) (string, netip.Addr) {
	switch from {
	case "outside", "n1":
		return "node-n1", f.address(from, "", family)
	case "node-2.example":
		return "node-node-2.example", f.address(from, "", family)
	}
	return from, f.address(from, "", family)
}

// address is that of a place; the gateway's is seen from another place.
func (f *fabric) address(place, seenFrom string, family ipam.Family) netip.Addr {
	places := map[string][2]string{
		"outside": {"203.0.113.7", "2001:db8::7"},
		"service": {"10.96.0.10", "fd00:10:96::10"},
		"unused":  {"10.16.200.200", "fd00:10:16::eeee"},
	}
	if known, ok := places[place]; ok {
		return netip.MustParseAddr(known[family-1])
	}
	if place == "gateway" {
		return f.networks[f.portOf(seenFrom).Switch].Gateways[family-1]
	}
	for _, node := range f.nodes {
		if node.Name == place {
			return InternalIPs(node)[family-1]
		}
	}
	_, lease, _ := f.registry.Lease(place)
	return lease.Addresses[family-1]
}

func (f *fabric) portOf(name string) logical.SwitchPort {
	for _, state := range f.states {
		for _, port := range state.SwitchPorts {
			if port.Name == name {
				return port
			}
		}
	}
	panic("no port " + name)
}

func macOf(port logical.SwitchPort) host.MAC {
	mac, err := host.ParseMAC(strings.Fields(port.Addresses[0])[0])
	if err != nil {
		panic(err)
	}
	return mac
}
