package node

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"hawser/test/netnstest"
)

// TestKernelDatapath: pods of two nodes reach each other through Open vSwitch's
// kernel datapath and the kernel's geneve, and pods that start beside them cost
// them nothing. How long ADD takes is printed: it is a figure of the emulator's.
func TestKernelDatapath(t *testing.T) {
	plainNIC(t)
	cluster(t)
	controller(t)
	addNode(t)
	t.Logf("datapath=%s on the second node", datapath(t, second.at))
	agent(t, first)
	agent(t, second)
	near, distant := startPod(t, first, "near", ""), startPod(t, second, "distant", "")
	sh(t, "ip netns exec near ping -c 3 -i 0.2 -w 30 %s", distant.address)
	if flows := sh(t, "ovs-appctl dpctl/dump-flows -m system@ovs-system"); flows == "" {
		t.Error("the kernel's datapath has no flow")
	}
	sh(t, "ip link show genev_sys_6081 && %s", second.at.on("ip link show genev_sys_6081"))

	forth := netnstest.PingFrom(t, near.netns(), distant.address, 10*time.Millisecond)
	back := netnstest.PingFrom(t, distant.netns(), near.address, 10*time.Millisecond)
	time.Sleep(3 * time.Second)
	var took []time.Duration
	for i := range 8 {
		p := startPod(t, first, fmt.Sprintf("beside%d", i), "")
		sh(t, "ip netns exec near ping -c 1 -w 30 %s", p.address)
		took = append(took, p.took)
	}
	time.Sleep(5 * time.Second)
	noLoss(t, []netnstest.Loss{forth.End(), back.End()})
	slices.Sort(took)
	t.Logf("CNI ADD under emulation: median %v, slowest %v of %d", took[len(took)/2], took[len(took)-1], len(took))
}
