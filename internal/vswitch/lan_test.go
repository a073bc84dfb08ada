package vswitch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"hawser/internal/host"
	"hawser/test/lantest"
	"hawser/test/netnstest"
	"hawser/test/ovntest"
)

// site is two LANs with a host on each, and nodes that are plugged into both:
//
//	host A (192.0.2.101) ── a ══ up1 ─ node 1 ─ pod 192.0.2.11
//	                          ╲ ╱
//	                          ╱ ╲
//	host B (192.0.2.102) ── b ══ up2 ─ node 2 ─ pod 192.0.2.12
type site struct {
	t            *testing.T
	a, b         *lantest.LAN
	hostA, hostB *netnstest.Namespace
	nodes        []*member
}

const (
	addressA = "192.0.2.101"
	addressB = "192.0.2.102"
)

// member is a node of the site.
type member struct {
	*lantest.Node
	t            *testing.T
	client       *Client
	pod          *netnstest.Namespace
	address      string
	portA, portB string // of the LANs, where it is plugged in
	fromA, fromB *lantest.Ear
}

func newSite(t *testing.T, nodes int) *site {
	t.Helper()
	netnstest.Enter(t)
	s := &site{t: t, a: lantest.New(t), b: lantest.New(t)}
	s.hostA, s.hostB = s.a.Host(addressA+"/24"), s.b.Host(addressB+"/24")
	for i := range nodes {
		s.nodes = append(s.nodes, s.node(i+1))
	}
	return s
}

func (s *site) node(number int) *member {
	s.t.Helper()
	m := &member{t: s.t, Node: lantest.NewNode(s.t, netnstest.New(s.t)), address: fmt.Sprintf("192.0.2.%d", 10+number)}
	m.pod = m.Pod("pod", m.address+"/24")
	m.portA, m.portB = s.a.Plug(m.NS, "up1"), s.b.Plug(m.NS, "up2")
	m.fromA, m.fromB = s.a.At(m.portA), s.b.At(m.portB)
	m.client = dial(s.t, m.DB)
	return m
}

// apply has all nodes join their uplinks in one way.
func (s *site) apply(rstp bool, uplinks ...host.BridgePort) {
	s.t.Helper()
	for _, m := range s.nodes {
		want := uplinksOf(append([]host.BridgePort{{Name: "pod"}}, uplinks...)...)
		if rstp {
			want.Bridges[0] = span(want.Bridges[0])
		}
		if _, err := m.client.Apply(s.t.Context(), lanOwner, want); err != nil {
			s.t.Fatal(err)
		}
		m.Daemon.Sync()
	}
}

// bpdus counts what all nodes have sent, since the last count, that only switches say.
func (s *site) bpdus() (count int) {
	s.t.Helper()
	for _, m := range s.nodes {
		count += m.fromA.Count(lantest.IsBPDU) + m.fromB.Count(lantest.IsBPDU)
	}
	return count
}

// TestSeparateLANs: pods of both nodes reach the hosts of both LANs, each over its
// own node's uplinks; the hosts do not reach each other, through any node.
func TestSeparateLANs(t *testing.T) {
	s := newSite(t, 2)
	s.apply(false, host.BridgePort{Name: "up1", Protected: true}, host.BridgePort{Name: "up2", Protected: true})
	for _, m := range s.nodes {
		lantest.Reach(t, "pod to host A", m.pod, addressA)
		lantest.Reach(t, "pod to host B", m.pod, addressB)
		lantest.Reach(t, "host A to pod", s.hostA, m.address)
		lantest.Reach(t, "host B to pod", s.hostB, m.address)
	}
	lantest.Reach(t, "pod to pod", s.nodes[0].pod, s.nodes[1].address)
	lantest.Apart(t, "host A to host B", s.hostA, addressB)
	if n := s.bpdus(); n != 0 {
		t.Errorf("%d BPDUs left the nodes", n)
	}
	// The control: with one node that does not protect, the LANs are one.
	s.nodes[1].DB.VSCtl("set", "Bridge", "br-lan", "fail_mode=secure")
	s.nodes[1].Daemon.Sync()
	s.nodes = s.nodes[:1]
	s.apply(false, host.BridgePort{Name: "up1"}, host.BridgePort{Name: "up2"})
	lantest.Reach(t, "control: host A to host B", s.hostA, addressB)
}

// inTree are the uplinks of a node that takes part in a spanning tree.
func inTree() []host.BridgePort {
	return []host.BridgePort{{Name: "up1", Protected: true, Place: 1}, {Name: "up2", Protected: true, Place: 2}}
}

// TestRSTP switches the spanning tree on under way, and takes it away with the bridge.
// Only with it do BPDUs leave, and of two uplinks in one LAN the second one stands by;
// afterwards all is as it was.
func TestRSTP(t *testing.T) {
	s := newSite(t, 1)
	m := s.nodes[0]
	node, plain := Uplinks{m.client}, []host.BridgePort{{Name: "up1"}, {Name: "up2"}}
	s.apply(false, plain...)
	lantest.Reach(t, "pod to host A", m.pod, addressA)
	if n := s.bpdus(); n != 0 {
		t.Errorf("%d BPDUs left the node without RSTP", n)
	}
	s.apply(true, inTree()...)
	came := s.takes(node, "two LANs", "up1 Designated Forwarding, up2 Designated Forwarding")
	lantest.Apart(t, "host A to host B with RSTP", s.hostA, addressB)
	s.a.Connect(s.b)
	met := s.takes(node, "one LAN", "up1 Designated Forwarding, up2 Backup Discarding")
	lantest.Reach(t, "pod to host A with RSTP", m.pod, addressA)
	lantest.Reach(t, "pod to host B with RSTP", m.pod, addressB)
	if s.bpdus() == 0 {
		t.Error("no BPDU left the node")
	}
	s.a.Unplug(m.portA)
	lost := s.takes(node, "up1 unplugged", "up1 Disabled Discarding, up2 Designated Forwarding")
	lantest.Reach(t, "pod to host A by up2", m.pod, addressA)
	s.a.Replug(m.portA)
	back := s.takes(node, "up1 plugged in", "up1 Designated Forwarding, up2 Backup Discarding")
	s.a.Cut()
	apart := s.takes(node, "two LANs again", "up1 Designated Forwarding, up2 Designated Forwarding")
	t.Logf("switched on %v, cabled together %v, carrier lost %v, carrier back %v, cable cut %v", came, met, lost, back, apart)
	m.anew()
	s.apply(false, plain...)
	s.bpdus()
	lantest.Reach(t, "pod to host A after RSTP", m.pod, addressA)
	lantest.Reach(t, "host B to pod after RSTP", s.hostB, m.address)
	if n := s.bpdus(); n != 0 || inState(node, "") != 2 {
		t.Errorf("%d BPDUs left the node after RSTP, ports %+v", n, node.PortStates("br-lan"))
	}
}

// anew takes the bridge away and makes it again without RSTP, while ovs-vswitchd hangs:
// it must see the one go before the other comes (ErrSpanning).
func (m *member) anew() {
	t, node := m.t, Uplinks{m.client}
	t.Helper()
	step := host.Step{Action: host.ActionBridge, Uplink: host.Uplink{Provider: "lan", Bridge: "br-lan", Userspace: true, RSTP: true}}
	signal(t, m.Daemon, unix.SIGSTOP)
	if err := node.Undo(t.Context(), step); err != nil {
		t.Error(err)
	}
	step.Uplink.RSTP = false
	made := make(chan error, 1)
	go func() { made <- node.Do(t.Context(), step) }()
	select {
	case err := <-made:
		t.Errorf("the bridge is made although ovs-vswitchd has not seen the old one go: %v", err)
		made <- nil
	case <-time.After(500 * time.Millisecond):
	}
	signal(t, m.Daemon, unix.SIGCONT)
	if err := <-made; err != nil {
		t.Error(err)
	}
}

func signal(t *testing.T, daemon *ovntest.Daemon, what unix.Signal) {
	t.Helper()
	if err := unix.Kill(daemon.Process(), what); err != nil {
		t.Fatal(err)
	}
}

// takes waits until ovs-vswitchd says this of a node's uplinks, and tells how long it
// took.
func (s *site) takes(node Uplinks, when, want string) time.Duration {
	s.t.Helper()
	began := time.Now()
	for said := ""; said != want; {
		if time.Since(began) > time.Minute {
			s.t.Fatalf("%s: %s instead of %s", when, said, want)
		}
		time.Sleep(20 * time.Millisecond)
		var words []string
		for _, port := range node.PortStates("br-lan") {
			if port.Name != "pod" {
				words = append(words, port.Name+" "+port.RSTPRole+" "+port.RSTPState)
			}
		}
		said = strings.Join(words, ", ")
	}
	return time.Since(began).Round(100 * time.Millisecond)
}

// inState counts the uplinks in a state of RSTP.
func inState(u Uplinks, state string) (count int) {
	for _, port := range u.PortStates("br-lan") {
		if port.Name != "pod" && port.RSTPState == state {
			count++
		}
	}
	return count
}

// TestBondFailover: a bond of two NICs on one LAN goes on when the cable that it uses
// is pulled, says which device carries, and tells the switches nothing.
func TestBondFailover(t *testing.T) {
	for _, mode := range []host.BondMode{host.BondActiveBackup, host.BondBalanceSLB} {
		t.Run(string(mode), func(t *testing.T) {
			s := newSite(t, 1)
			s.a.Connect(s.b)
			m := s.nodes[0]
			edge := Uplinks{m.client}
			s.apply(false, bond(mode, "up1", "up2"))
			awaitState(t, edge, func() bool { return whole(edge, mode) })
			lantest.Reach(t, "pod to host", m.pod, addressA)
			s.a.Unplug(m.portA)
			awaitState(t, edge, func() bool { return carrying(edge) == "up2" })
			lantest.Reach(t, "over the second cable", m.pod, addressA)
			lantest.Reach(t, "from the host", s.hostA, m.address)
			s.a.Replug(m.portA)
			awaitState(t, edge, func() bool { return whole(edge, mode) && carrier(edge) == 2 })
			s.b.Unplug(m.portB)
			awaitState(t, edge, func() bool { return carrying(edge) == "up1" })
			lantest.Reach(t, "over the first cable", m.pod, addressA)
			if n := s.bpdus(); n != 0 {
				t.Errorf("%d BPDUs left the node", n)
			}
		})
	}
}

// TestBondUnderTraffic changes the mode, the members and the protection of a bond in
// place, and kills ovs-vswitchd, while a pod and a host talk. Traffic goes on after
// each; what each costs is logged.
func TestBondUnderTraffic(t *testing.T) {
	s := newSite(t, 1)
	s.a.Connect(s.b)
	m := s.nodes[0]
	open := bond(host.BondBalanceSLB, "up1", "up2")
	open.Protected = false
	s.apply(false, bond(host.BondActiveBackup, "up1", "up2"))
	lantest.Reach(t, "pod to host", m.pod, addressA)
	for _, step := range []struct {
		what   string
		change func()
	}{
		{"to BalanceSLB", func() { s.apply(false, bond(host.BondBalanceSLB, "up1", "up2")) }},
		{"unprotected", func() { s.apply(false, open) }},
		{"one member less", func() { s.apply(false, bond(host.BondBalanceSLB, "up2")) }},
		{"one member more", func() { s.apply(false, bond(host.BondBalanceSLB, "up1", "up2")) }},
		{"to LACP, without a partner", func() { s.apply(false, bond(host.BondLACP, "up1", "up2")) }},
		{"to ActiveBackup", func() { s.apply(false, bond(host.BondActiveBackup, "up1", "up2")) }},
		{"to a port", func() { s.apply(false, host.BridgePort{Name: "up1", Protected: true}) }},
		{"to a bond again", func() { s.apply(false, bond(host.BondActiveBackup, "up1", "up2")) }},
		{"ovs-vswitchd killed", func() { m.Daemon.Kill(); m.Daemon.Start(); m.Daemon.Sync() }},
	} {
		pings := netnstest.PingFrom(t, m.pod.Path(), addressA, 10*time.Millisecond)
		step.change()
		lantest.Reach(t, step.what, m.pod, addressA)
		lantest.Reach(t, step.what, s.hostA, m.address)
		time.Sleep(time.Second) // what comes late
		t.Logf("%s: %v", step.what, pings.End())
	}
}

// whole tells that the bond uses what it can: of two, ActiveBackup takes either.
func whole(u Uplinks, mode host.BondMode) bool {
	devices := carrying(u)
	if mode == host.BondBalanceSLB {
		return devices == "up1 up2"
	}
	return devices == "up1" || devices == "up2"
}

func carrier(u Uplinks) (count int) {
	for _, port := range u.PortStates("br-lan") {
		for _, member := range port.Members {
			if port.Name == "lanbond" && member.Carrier {
				count++
			}
		}
	}
	return count
}

// carrying names the devices of the bond that take frames.
func carrying(u Uplinks) (devices string) {
	for _, port := range u.PortStates("br-lan") {
		for _, member := range port.Members {
			if port.Name == "lanbond" && member.Carries {
				devices += " " + member.Name
			}
		}
	}
	return devices[min(1, len(devices)):]
}

// TestLACP: with a partner both devices carry, and each is told to have one; without
// one the bond goes on with one device. LACP is all that the switches hear.
func TestLACP(t *testing.T) {
	s := newSite(t, 1)
	m := s.nodes[0]
	edge := Uplinks{m.client}
	s.apply(false, bond(host.BondLACP, "up1", "up2"))
	awaitState(t, edge, func() bool { return whole(edge, host.BondActiveBackup) })
	if s.bpdus() == 0 {
		t.Error("the node speaks no LACP")
	}
	s.apply(false, bond(host.BondActiveBackup, "up1", "up2"))
	s.bpdus()
	lantest.Reach(t, "pod to one of the hosts, as ActiveBackup", m.pod, map[string]string{"up1": addressA, "up2": addressB}[carrying(edge)])
	if n := s.bpdus(); n != 0 {
		t.Errorf("%d BPDUs left the node after LACP was switched off", n)
	}
}

// TestLACPPartner has another Open vSwitch play the switch.
func TestLACPPartner(t *testing.T) {
	netnstest.Enter(t)
	chassis := lantest.NewNode(t, netnstest.New(t))
	node := lantest.NewNode(t, netnstest.New(t))
	for _, device := range []string{"up1", "up2"} {
		node.NS.IP("link add %s type veth peer name %s netns %s", device, device, chassis.NS.Path())
		node.NS.IP("link set %s addrgenmode none up", device)
		chassis.NS.IP("link set %s addrgenmode none up", device)
	}
	pod := node.Pod("pod", "192.0.2.11/24")
	chassis.Pod("behind", addressA+"/24")
	switchClient, client := dial(t, chassis.DB), dial(t, node.DB)
	join := func(c *Client, port string, mode host.BondMode) {
		t.Helper()
		if _, err := c.Apply(t.Context(), lanOwner, uplinksOf(host.BridgePort{Name: port}, bond(mode, "up1", "up2"))); err != nil {
			t.Fatal(err)
		}
	}
	join(switchClient, "behind", host.BondLACP)
	join(client, "pod", host.BondLACP)
	edge := Uplinks{client}
	awaitState(t, edge, func() bool { return carrying(edge) == "up1 up2" })
	both := []host.MemberState{{Name: "up1", Carrier: true, Partner: true, Carries: true}, {Name: "up2", Carrier: true, Partner: true, Carries: true}}
	if diff := cmp.Diff(both, edge.PortStates("br-lan")[0].Members); diff != "" {
		t.Error(diff)
	}
	lantest.Reach(t, "pod to host", pod, addressA)
	chassis.NS.IP("link set up1 down")
	awaitState(t, edge, func() bool { return carrying(edge) == "up2" })
	lantest.Reach(t, "over one cable", pod, addressA)
	chassis.NS.IP("link set up1 up")
	awaitState(t, edge, func() bool { return carrying(edge) == "up1 up2" })
	// The partner forgets LACP: one device goes on alone.
	chassis.Daemon.Kill()
	awaitState(t, edge, func() bool { return whole(edge, host.BondActiveBackup) })
}
