package e2e

import (
	"fmt"
	"strings"
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

// TestUnderlayDeletedWhileOff deletes a provider network while one of its nodes
// has no power, by taking the node's finalizer off, as an operator does who does
// not want to wait. When the node boots, its agent finds out and lets go.
func TestUnderlayDeletedWhileOff(t *testing.T) {
	node := nodes(t)[2]
	host(t, "flathost", 0, flatHost4+"/24", flatHost6+"/64")
	apply(t, providerYAML("dark", "defaultInterface: eth0", onNode(node)))
	awaitPhase(t, "dark", node, "Ready", "")
	lab(t, "power", "off", node)
	t.Cleanup(func() { lab(t, "power", "on", node) })
	kubectl(t, "delete", "provider-network", "dark", "--wait=false")
	kubectl(t, "wait", "--for=jsonpath={.metadata.deletionTimestamp}", "--timeout=60s", "provider-network-node/dark."+node)
	kubectl(t, "patch", "provider-network-node", "dark."+node, "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	kubectl(t, "wait", "--for=delete", "provider-network/dark", "--timeout=60s")
	lab(t, "power", "on", node)
	self := startPings(t, machineNetns(t, "flathost"), address(t, node))
	kubectl(t, "wait", "--for=condition=Ready", "--timeout=180s", "node/"+node)
	eventually(t, time.Minute, "nothing is left on "+node, func() error {
		left := inNode(t, node, "sh", "-c", `ip -o link | grep -e ' hw[ow]' -e ' br-dark'; ip -o link show dev eth0 | grep -o PROMISC
			tc filter show dev eth0 ingress; tc filter show dev eth0 egress; find /sys/fs/bpf/hawser /etc/origin/uplinks -mindepth 1 2>/dev/null; true`)
		if strings.TrimSpace(left) != "" {
			return fmt.Errorf("left: %s", left)
		}
		return nil
	})
	time.Sleep(5 * time.Second)
	if seen := self.end(); seen.Lost > 0 {
		t.Errorf("%s itself, from its boot on: %v", node, seen)
	}
}
