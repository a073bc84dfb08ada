package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
	"hawser/internal/loop"
	"hawser/test/lantest"
	"hawser/test/netnstest"
)

// plant is a node with NICs in two LANs, the real reconciler, edges, patrol and
// Open vSwitch, a pod on the provider's bridge, and a host in each LAN:
//
//	pod 192.0.2.11 ── br-lan ─┬─ nic1 ══ a ── 192.0.2.101
//	                          └─ nic2 ══ b ── 192.0.2.102
type plant struct {
	*operator
	node         *lantest.Node
	a, b         *lantest.LAN
	hostA, hostB *netnstest.Namespace
	pod          *netnstest.Namespace
	portA, portB string
	wires        []*lantest.Ear
	rest         func() // ends the patrol
}

const (
	addressA = "192.0.2.101"
	addressB = "192.0.2.102"
	podAt    = "192.0.2.11"
)

func newPlant(t *testing.T, protection kubeovnv1.LoopProtection) *plant {
	t.Helper()
	netnstest.Enter(t)
	p := &plant{a: lantest.New(t), b: lantest.New(t), node: lantest.NewNode(t, nil)}
	p.portA, p.portB = p.a.Plug(nil, "nic1"), p.b.Plug(nil, "nic2")
	netnstest.IP(t, "link set nic2 down") // as nobody has used it yet
	p.wires = []*lantest.Ear{p.a.At(p.portA), p.b.At(p.portB)}
	p.hostA, p.hostB = p.a.Host(addressA+"/24"), p.b.Host(addressB+"/24")
	p.pod = p.node.Pod("pod", podAt+"/24")
	p.operator = prepare(t, p.node.DB).operator(true, kubeovnv1.ProviderNetworkNodeSpec{Interfaces: []string{"nic1", "nic2"}, LoopProtection: protection})
	p.patrols()
	return p
}

// patrols starts a patrol in the test's namespace.
func (p *plant) patrols() {
	p.t.Helper()
	patrol := loop.NewPatrol()
	p.uplinks.Edges.Patrol = patrol
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	here := fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid())
	go func() { ended <- netnstest.Within(here, func() error { return patrol.Run(ctx) }) }()
	p.rest = sync.OnceFunc(func() { cancel(); must(p.t, <-ended) })
	p.t.Cleanup(p.rest)
}

// become looks at the host again and again, as hints would have it, until the NICs do
// what is wanted, and the bridge has its part of it.
func (p *plant) become(when, want string) {
	p.t.Helper()
	deadline := time.After(60 * time.Second)
	for {
		err := p.reconcile()
		have := p.states()
		if err == nil && have == want {
			break
		}
		select {
		case <-deadline:
			p.t.Fatalf("%s: %s instead of %s: %+v (%v)", when, have, want, p.part().Status, err)
		case <-p.uplinks.Edges.Patrol.Changed():
		case <-time.After(50 * time.Millisecond):
		}
	}
	spanning := p.part().Spec.LoopProtection == kubeovnv1.LoopRSTP // all are in the bridge
	for _, nic := range p.part().Status.Interfaces {
		up := host.Uplink{NIC: nic.Name, Attachment: host.Attachment(nic.Attachment)}
		if up.Tap, _ = host.TapNames("lan", nic.Name); nic.State == kubeovnv1.UplinkDown {
			continue
		}
		if in := strings.Contains(p.node.DB.VSCtl("list-ports", "br-lan"), up.Member()); in != (spanning || nic.State == kubeovnv1.UplinkActive) {
			p.t.Errorf("%s: %s is %s, in the bridge: %v", when, nic.Name, nic.State, in)
		}
	}
	p.node.Daemon.Sync()
}

func (p *plant) states() string {
	var out []string
	for _, nic := range p.part().Status.Interfaces {
		out = append(out, fmt.Sprintf("%s %s %s", nic.Name, nic.Attachment, nic.State))
	}
	return strings.Join(out, ", ")
}

func (p *plant) loop() (found metav1.ConditionStatus) {
	for _, condition := range p.part().Status.Conditions {
		if condition.Type == kubeovnv1.ConditionLoopDetected {
			found = condition.Status
		}
	}
	return found
}

// once has the pod send broadcasts, and wants each of them at a bystander once.
func (p *plant) once(when string, lan *lantest.LAN) {
	p.t.Helper()
	const burst = 20
	words := []byte("a broadcast of the pod")
	isOurs := func(frame []byte) bool { return bytes.Contains(frame, words) }
	heard, pod := lan.Bystander(), lantest.Listen(p.t, p.pod, "eth0")
	for range burst {
		pod.Send(append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0xaa, 0, 0, 0, 7, 0x88, 0xb6}, words...))
	}
	count := 0
	for deadline := time.Now().Add(20 * time.Second); count < burst && time.Now().Before(deadline); {
		count += heard.Count(isOurs)
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(300 * time.Millisecond) // for what should not come
	if count += heard.Count(isOurs); count != burst {
		p.t.Errorf("%s: a bystander heard %d frames of %d", when, count, burst)
	}
}

// plugPod makes the pod's device a port of the provider's bridge.
func (p *plant) plugPod() {
	p.node.DB.VSCtl("add-port", "br-lan", "pod")
	p.node.Daemon.Sync()
}

func (p *plant) reach(when string, both bool) {
	p.t.Helper()
	lantest.Reach(p.t, when+": pod to host A", p.pod, addressA)
	if both {
		lantest.Reach(p.t, when+": pod to host B", p.pod, addressB)
		lantest.Reach(p.t, when+": host B to pod", p.hostB, podAt)
	}
}

// TestTwoLANs: a node with a NIC in each of two LANs never joins them; when somebody
// else does, one NIC stands by, over restarts of the agent too, and takes over when
// the other one loses its cable. In the end the host is as it was. No BPDU ever leaves.
func TestTwoLANs(t *testing.T) {
	for name, first := range map[string]string{"ports": "nic1 Port ", "one is shared": "nic1 Shared "} {
		t.Run(name, func(t *testing.T) {
			p := newPlant(t, "")
			if name != "ports" {
				netnstest.IP(t, "addr add 192.0.2.1/24 dev nic1")
			}
			before := p.nics()
			p.approve()
			p.become("two LANs", first+"Active, nic2 Port Active")
			p.plugPod()
			p.separate()
			p.joined(first)
			p.leavesAs(before)
			for _, wire := range p.wires {
				if n := wire.Count(lantest.IsBPDU); n > 0 {
					t.Errorf("%d BPDUs left a NIC", n)
				}
			}
		})
	}
}

// leavesAs takes pod and network away, and wants the NICs as they were.
func (p *plant) leavesAs(before string) {
	p.t.Helper()
	p.node.DB.VSCtl("del-port", "br-lan", "pod")
	p.leaves()
	p.node.Daemon.Sync()
	netnstest.IP(p.t, "link set nic2 down") // ovs-vswitchd may have written flags back that it read before us
	if after := p.nics(); after != before {
		p.t.Errorf("the NICs were\n%s\nand are\n%s", before, after)
	}
}

func (p *plant) separate() {
	p.t.Helper()
	if p.loop() != metav1.ConditionFalse {
		p.t.Errorf("LoopDetected is %q", p.loop())
	}
	p.reach("two LANs", true)
	lantest.Apart(p.t, "host A to host B", p.hostA, addressB)
	p.once("LAN a", p.a)
	p.once("LAN b", p.b)
}

// joined cables the LANs together, with a carrier lost on the way, and cuts them.
func (p *plant) joined(first string) {
	p.t.Helper()
	p.b.Unplug(p.portB)
	p.a.Connect(p.b)
	p.b.Replug(p.portB)
	p.become("one LAN", first+"Active, nic2 Port Standby")
	if p.loop() != metav1.ConditionTrue {
		p.t.Errorf("LoopDetected is %q", p.loop())
	}
	p.reach("one LAN", true)
	p.once("one LAN", p.a)
	p.forget()
	p.become("one LAN and a new agent", first+"Active, nic2 Port Standby")
	p.a.Unplug(p.portA)
	p.become("unplugged", first+"Down, nic2 Port Active")
	p.reach("unplugged", true)
	p.a.Replug(p.portA)
	p.become("plugged in again", first+"Standby, nic2 Port Active")
	p.once("the other one stands by", p.a)
}

// forget is another process, which has to search anew.
func (p *plant) forget() {
	p.t.Helper()
	p.rest()
	p.restart()
	p.patrols()
	must(p.t, p.uplinks.Recover(p.t.Context()))
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		must(p.t, p.reconcile())
		if found, current := p.uplinks.Edges.Patrol.Findings(); current && len(found.Meetings) == 1 {
			return
		}
	}
	p.t.Fatal("a new patrol does not find that the LANs are one")
}

// nics is what the NICs show of having joined, and that nothing else is left.
func (p *plant) nics() (text string) {
	p.t.Helper()
	for _, nic := range []string{"nic1", "nic2"} {
		for _, command := range []string{"ip -o link show ", "ip -o addr show ", "tc qdisc show dev "} {
			out, err := exec.Command("sh", "-c", command+nic).CombinedOutput()
			must(p.t, err)
			text += string(out)
		}
	}
	return text + p.node.DB.VSCtl("list-br") + p.node.DB.VSCtl("--if-exists", "get", "open", ".", "external_ids:ovn-bridge-mappings")
}
