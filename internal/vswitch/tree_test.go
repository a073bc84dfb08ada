package vswitch

import (
	"testing"
	"time"

	"hawser/internal/host"
	"hawser/test/lantest"
	"hawser/test/netnstest"
)

// TestTreeOfTwoNodes: to the tree, a node is a bridge between its LANs, although it
// passes nothing on. So in one LAN each uses one uplink; between two LANs, one node
// alone has its way to both, and the LANs stay apart.
func TestTreeOfTwoNodes(t *testing.T) {
	s := newSite(t, 2)
	s.apply(true, inTree()...)
	s.spread("two LANs", 3)
	lost := 0
	for _, m := range s.nodes {
		lantest.Reach(t, "two LANs: pod to host A", m.pod, addressA)
		if inState(Uplinks{m.client}, "Discarding") == 1 {
			lost++
			lantest.Apart(t, "two LANs: pod behind what the tree blocks to host B", m.pod, addressB)
		} else {
			lantest.Reach(t, "two LANs: pod to host B", m.pod, addressB)
		}
	}
	if lost != 1 {
		t.Errorf("%d nodes of 2 have an uplink that is blocked", lost)
	}
	lantest.Apart(t, "two LANs: host A to host B", s.hostA, addressB)
	s.a.Connect(s.b)
	s.spread("one LAN", 2)
	for _, m := range s.nodes {
		lantest.Reach(t, "one LAN: pod to host A", m.pod, addressA)
		lantest.Reach(t, "one LAN: pod to host B", m.pod, addressB)
		lantest.Reach(t, "one LAN: host B to pod", s.hostB, m.address)
	}
	lantest.Reach(t, "one LAN: pod to pod", s.nodes[0].pod, s.nodes[1].address)
}

// spread waits until so many uplinks of all nodes forward, and the others do not.
func (s *site) spread(when string, want int) {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		forwards, blocked := 0, 0
		for _, m := range s.nodes {
			forwards += inState(Uplinks{m.client}, "Forwarding")
			blocked += inState(Uplinks{m.client}, "Discarding")
		}
		if forwards == want && forwards+blocked == 2*len(s.nodes) {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: %d uplinks forward and %d are blocked, want %d", when, forwards, blocked, want)
		}
	}
}

// core is two switches that speak RSTP and are linked, a host behind each, and a node
// that is plugged into both, and that would be the root of their tree by its address:
//
//	host 1 ── switch 1 ══ trunk ══ switch 2 ── host 2
//	              ╲                  ╱
//	               up1 ═ node ═ up2
type core struct {
	t            *testing.T
	switches     [2]*lantest.Node
	clients      [2]*Client
	hosts        [2]*netnstest.Namespace
	node         *member
	nodeUplinks  Uplinks
	switchStates [2]Uplinks
}

func newCore(t *testing.T) *core {
	t.Helper()
	netnstest.Enter(t)
	c := &core{t: t, node: &member{t: t, Node: lantest.NewNode(t, netnstest.New(t)), address: "192.0.2.11"}}
	c.node.pod = c.node.Pod("pod", c.node.address+"/24")
	c.node.client = dial(t, c.node.DB)
	c.nodeUplinks = Uplinks{c.node.client}
	for i, address := range []string{addressA, addressB} {
		c.switches[i] = lantest.NewNode(t, netnstest.New(t))
		c.hosts[i] = c.switches[i].Pod("behind", address+"/24")
		c.clients[i] = dial(t, c.switches[i].DB)
		c.switchStates[i] = Uplinks{c.clients[i]}
		lay(c.node.Node, []string{"up1", "up2"}[i], c.switches[i], "node")
	}
	lay(c.switches[0], "trunk", c.switches[1], "trunk")
	c.node.NS.IP("link set up1 address 00:00:00:00:00:11")
	return c
}

// lay lays a cable between two machines.
func lay(a *lantest.Node, near string, b *lantest.Node, far string) {
	a.NS.IP("link add %s type veth peer name %s netns %s", near, far, b.NS.Path())
	a.NS.IP("link set %s addrgenmode none up", near)
	b.NS.IP("link set %s addrgenmode none up", far)
}

// apply has all three speak RSTP.
func (c *core) apply() {
	c.t.Helper()
	for i, client := range c.clients {
		want := uplinksOf(host.BridgePort{Name: "behind"}, host.BridgePort{Name: "trunk"}, host.BridgePort{Name: "node"})
		want.Bridges[0].RSTP = true
		if _, err := client.Apply(c.t.Context(), lanOwner, want); err != nil {
			c.t.Fatal(err)
		}
		c.switches[i].Daemon.Sync()
	}
	want := uplinksOf(append(inTree(), host.BridgePort{Name: "pod"})...)
	want.Bridges[0] = span(want.Bridges[0])
	if _, err := c.node.client.Apply(c.t.Context(), lanOwner, want); err != nil {
		c.t.Fatal(err)
	}
	c.node.Daemon.Sync()
}

// linked tells whether the switches use the link between them.
func (c *core) linked() bool {
	for _, edge := range c.switchStates {
		for _, port := range edge.PortStates("br-lan") {
			if port.Name == "trunk" && port.RSTPState != "Forwarding" {
				return false
			}
		}
	}
	return true
}

// TestTreeOfSwitches: a node never costs switches a link of their own, although it may
// come first in their tree by its address: it is the last that they take for a way.
// Without that link it is none either, and its pods reach both.
func TestTreeOfSwitches(t *testing.T) {
	c := newCore(t)
	c.apply()
	became := func(when string, forwards int, linked bool) {
		t.Helper()
		began := time.Now()
		for inState(c.nodeUplinks, "Forwarding") != forwards || c.linked() != linked {
			if time.Since(began) > time.Minute {
				t.Fatalf("%s: the node says %+v, the switches %+v and %+v", when, c.nodeUplinks.PortStates("br-lan"), c.switchStates[0].PortStates("br-lan"), c.switchStates[1].PortStates("br-lan"))
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Logf("%s: after %v", when, time.Since(began).Round(100*time.Millisecond))
		lantest.Reach(t, when+": pod to host 1", c.node.pod, addressA)
		lantest.Reach(t, when+": pod to host 2", c.node.pod, addressB)
	}
	became("linked", 1, true)
	lantest.Reach(t, "linked: host 1 to host 2", c.hosts[0], addressB)
	c.switches[0].NS.IP("link set trunk down")
	became("the link is cut", 2, false)
	lantest.Apart(t, "the link is cut: host 1 to host 2", c.hosts[0], addressB)
	c.switches[0].NS.IP("link set trunk up")
	became("linked again", 1, true)
	lantest.Reach(t, "linked again: host 1 to host 2", c.hosts[0], addressB)
}
