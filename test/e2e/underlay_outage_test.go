package e2e

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// TestUnderlayOVSDown has a NIC shared while Open vSwitch's database hangs, and
// again while ovs-vswitchd does: the host feels neither, the first is told, and
// both are over when Open vSwitch goes on.
func TestUnderlayOVSDown(t *testing.T) {
	node := nodes(t)[0]
	host(t, "flathost", 0, flatHost4+"/24", flatHost6+"/64")
	before := ofHost(t, node, "eth0")
	world := startHostTraffic(t, "flathost", hostOf(address(t, node), flatHost4, flatHost6), node)
	time.Sleep(3 * time.Second)
	down := providerYAML("down", "defaultInterface: eth0", onNode(node))

	resume := hang(t, node, "ovsdb-server /etc/openvswitch/conf.db")
	apply(t, down)
	eventually(t, time.Minute, "down."+node+" says OVSUnavailable", func() error {
		part, err := partOf("down", node)
		if err == nil && part.Reason != "OVSUnavailable" {
			err = fmt.Errorf("it is %s %s: %s", part.Phase, part.Reason, part.Message)
		}
		return err
	})
	t.Log(event(t, "default", "down."+node, "OVSUnavailable"))
	resume()
	awaitPhase(t, "down", node, "Ready", "")
	remove(t, down)
	asBefore(t, node, before, ofHost(t, node, "eth0"))

	resume = hang(t, node, "ovs-vswitchd unix")
	apply(t, down)
	awaitPhase(t, "down", node, "Ready", "")
	resume()
	apply(t, documents(vlanYAML("down", 0, "down"), namespaceYAML("down"), flatSubnetYAML(t, "down")))
	pod := startPod(t, "down", "down", node)
	ownAddress(t, pod, hostOf(pod.ips[0], flatHost4, flatHost6), "80", 0)
	time.Sleep(5 * time.Second)
	if lost := world.end(t); lost > 0 {
		t.Errorf("the host lost %d pings", lost)
	}
}

// hang stops a program of a node until resume is called or the test ends.
func hang(t testing.TB, node, program string) (resume func()) {
	t.Helper()
	if signalIn(t, node, program, syscall.SIGSTOP) == 0 {
		t.Fatalf("no process %q on %s", program, node)
	}
	resume = func() { signalIn(t, node, program, syscall.SIGCONT) }
	t.Cleanup(resume)
	return resume
}
