package loop

import (
	"bytes"
	"fmt"
	"testing"

	"hawser/internal/host"
	"hawser/internal/nodeplan/standby"
	"hawser/internal/vswitch"
	"hawser/test/lantest"
	"hawser/test/netnstest"
)

// plant is two LANs with a host on each, and two nodes with an uplink into each, as
// the product joins them.
type plant struct {
	t     *testing.T
	a, b  *lantest.LAN
	nodes []*plantNode
}

type plantNode struct {
	*lantest.Node
	client *vswitch.Client
	pod    *netnstest.Namespace
	joined map[string]bool
}

func newPlant(t *testing.T) *plant {
	t.Helper()
	netnstest.Enter(t)
	p := &plant{t: t, a: lantest.New(t), b: lantest.New(t)}
	for i := range 2 {
		n := &plantNode{Node: lantest.NewNode(t, netnstest.New(t)), joined: map[string]bool{}}
		n.pod = n.Pod("pod", fmt.Sprintf("192.0.2.1%d/24", i+1))
		p.a.Plug(n.NS, "up1")
		p.b.Plug(n.NS, "up2")
		client, err := vswitch.Dial(t.Context(), n.DB.Endpoint)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		n.client = client
		p.nodes = append(p.nodes, n)
	}
	return p
}

// judge has each node search, choose, and join what it chose.
func (p *plant) judge() {
	p.t.Helper()
	for _, n := range p.nodes {
		var found host.LoopFindings
		n.NS.Do(func() (err error) { found, err = Search(p.t.Context(), untagged("up1", "up2")); return err })
		var have []standby.Uplink
		for _, nic := range []string{"up1", "up2"} {
			have = append(have, standby.Uplink{NIC: nic, Carrier: true, Joined: n.joined[nic]})
		}
		n.join(p.t, standby.Choose(have, found))
	}
}

func (n *plantNode) join(t *testing.T, roles []standby.Role) {
	t.Helper()
	want := host.Switching{Bridges: []host.Bridge{{Name: lantest.Bridge, DatapathType: "netdev"}}, Ports: []host.BridgePort{{Bridge: lantest.Bridge, Name: "pod"}}}
	for _, role := range roles {
		if n.joined[role.NIC] = role.Join; role.Join {
			want.Ports = append(want.Ports, host.BridgePort{Bridge: lantest.Bridge, Name: role.NIC, Protected: true})
		}
	}
	if _, err := n.client.Apply(t.Context(), "ProviderNetwork//lan", want); err != nil {
		t.Fatal(err)
	}
	n.Daemon.Sync()
}

func (p *plant) uplinks() (joined string) {
	for i, n := range p.nodes {
		for _, nic := range []string{"up1", "up2"} {
			if n.joined[nic] {
				joined += fmt.Sprintf(" %d:%s", i+1, nic)
			}
		}
	}
	return joined
}

// TestJoinedLANs: two LANs that somebody cables together. No storm, at no moment: each
// frame of a pod arrives at a bystander once for each uplink that is in, and traffic
// goes on. The control is a node that neither protects nor stands by.
func TestJoinedLANs(t *testing.T) {
	p := newPlant(t)
	hostA, hostB := p.a.Host("192.0.2.101/24"), p.b.Host("192.0.2.102/24")
	p.judge()
	if got := p.uplinks(); got != " 1:up1 1:up2 2:up1 2:up2" {
		t.Fatalf("in are%s", got)
	}
	lantest.Reach(t, "pod to host A", p.nodes[0].pod, "192.0.2.101")
	lantest.Reach(t, "pod to host B", p.nodes[1].pod, "192.0.2.102")
	lantest.Apart(t, "host A to host B", hostA, "192.0.2.102")

	p.a.Connect(p.b)
	p.broadcasts("protected, before the search", 4)
	p.judge()
	if got := p.uplinks(); got != " 1:up1 2:up1" {
		t.Fatalf("in are%s", got)
	}
	p.broadcasts("one stands by", 2)
	for _, n := range p.nodes {
		lantest.Reach(t, "pod to host A", n.pod, "192.0.2.101")
		lantest.Reach(t, "pod to host B", n.pod, "192.0.2.102")
	}
	lantest.Reach(t, "host B to pod", hostB, "192.0.2.11")
	p.judge()
	if got := p.uplinks(); got != " 1:up1 2:up1" {
		t.Errorf("searched again, in are%s", got)
	}
	p.storm()
}

const burst = 10

// broadcasts sends ten from each pod, and counts what a bystander hears: no more of
// them than uplinks are in.
func (p *plant) broadcasts(what string, uplinks int) {
	p.t.Helper()
	heard := p.a.Bystander()
	for range burst {
		for _, n := range p.nodes {
			lantest.Listen(p.t, n.pod, "eth0").Send(broadcast())
		}
	}
	n := p.await(heard, 1)
	if err := wait(p.t.Context(), patience); err != nil {
		p.t.Fatal(err)
	}
	if n += heard.Count(isBroadcast); n == 0 || n > burst*uplinks {
		p.t.Errorf("%s: %d frames at the bystander, of %d that were sent over %d uplinks", what, n, 2*burst, uplinks)
	}
}

// storm is the control. One frame is enough, and the cable is cut soon.
func (p *plant) storm() {
	p.t.Helper()
	n := p.nodes[0]
	n.DB.VSCtl("set", "Port", "up1", "protected=false", "--", "add-port", lantest.Bridge, "up2")
	n.Daemon.Sync()
	heard := p.a.Bystander()
	lantest.Listen(p.t, n.pod, "eth0").Send(broadcast())
	count := p.await(heard, 10*burst)
	p.a.Cut()
	if count < 10*burst {
		p.t.Errorf("control: %d frames at the bystander: that was no storm", count)
	}
}

// await counts until enough are heard, or ten seconds long.
func (p *plant) await(heard *lantest.Ear, enough int) (count int) {
	p.t.Helper()
	for range 100 {
		if count += heard.Count(isBroadcast); count >= enough {
			break
		}
		if err := wait(p.t.Context(), spacing); err != nil {
			p.t.Fatal(err)
		}
	}
	return count
}

var words = []byte("a broadcast of TestJoinedLANs")

func broadcast() []byte {
	return append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0xaa, 0, 0, 0, 7, 0x88, 0xb6}, words...)
}

func isBroadcast(frame []byte) bool { return bytes.Contains(frame, words) }
