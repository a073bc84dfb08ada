package main

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubeovnv1 "hawser/api/v1"
	"hawser/test/lantest"
	"hawser/test/netnstest"
)

// TestSpanningTree: with RSTP both NICs, one of them shared, take part in two LANs,
// and one in a LAN that was cabled together, whichever has carrier. BPDUs leave until
// another protection is approved: then the bridge is made anew, and is as if it had
// never spoken RSTP. In the end the host is as it was.
func TestSpanningTree(t *testing.T) {
	const (
		both   = "nic1 Shared Active, nic2 Port Active"
		first  = "nic1 Shared Active, nic2 Port Standby"
		second = "nic1 Shared Down, nic2 Port Active"
	)
	p := newPlant(t, kubeovnv1.LoopRSTP)
	netnstest.IP(t, "addr add 192.0.2.1/24 dev nic1")
	before := p.nics()
	p.approve()
	p.takes("joined", both)
	p.plugPod()
	p.separate()
	if p.bpdus() == 0 {
		t.Error("no BPDU left a NIC")
	}
	p.a.Connect(p.b)
	p.takes("cabled together", first)
	if p.loop() != metav1.ConditionTrue {
		t.Errorf("LoopDetected is %q", p.loop())
	}
	p.reach("one LAN", true)
	p.once("one LAN", p.a)
	p.a.Unplug(p.portA)
	p.takes("unplugged", second)
	p.reach("unplugged", true)
	p.a.Replug(p.portA)
	p.takes("plugged in again", first)
	p.once("one LAN again", p.a)
	p.a.Cut()
	p.takes("cable cut", both)
	p.reach("two LANs again", true)

	p.node.DB.VSCtl("del-port", "br-lan", "pod")
	p.isolate(both)
	p.leavesAs(before)
}

// takes logs how long the NICs take to become what is wanted.
func (p *plant) takes(when, want string) {
	p.t.Helper()
	began := time.Now()
	p.become(when, want)
	p.t.Logf("%s: told after %v", when, time.Since(began).Round(100*time.Millisecond))
}

// isolate asks for no spanning tree any more, and wants no BPDU then, for longer than
// a bridge keeps silent.
func (p *plant) isolate(want string) {
	p.t.Helper()
	part := p.part()
	part.Spec.LoopProtection = kubeovnv1.LoopIsolate
	must(p.t, p.api.Update(p.t.Context(), part))
	p.approve()
	p.takes("without RSTP", want)
	p.plugPod()
	p.bpdus()
	p.separate()
	time.Sleep(3 * time.Second)
	if n := p.bpdus(); n > 0 {
		p.t.Errorf("%d BPDUs left a NIC without RSTP", n)
	}
}

// bpdus counts what has left the NICs, since the last count, that only switches say.
func (p *plant) bpdus() (count int) {
	p.t.Helper()
	for _, wire := range p.wires {
		count += wire.Count(lantest.IsBPDU)
	}
	return count
}
