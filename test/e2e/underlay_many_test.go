package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// many is more pods than Open vSwitch sends a broadcast to by itself: after about
// a hundred ports ovn-controller has to pass the frame on to the next.
const many = 150

// TestUnderlayMany: a broadcast from the wire reaches each of 150 pods of one
// node, and one of a pod the wire, for a packet or two that ovn-controller passes
// on. Who hears while that hangs is printed; docs/underlay.md has the figures.
func TestUnderlayMany(t *testing.T) {
	c := newCrowd(t, nodes(t)[0])
	c.allHear(t)
	if heard := c.heard(t); heard != many {
		t.Errorf("the wire hears %d of %d pods", heard, many)
	}

	world := machineNetns(t, "crowdhost")
	frame := ethernet(broadcast, macOf(t, world, "eth0"), 0x88b5, make([]byte, 50))
	before := c.passedOn(t)
	sent := emit(t, world, frame, 2*time.Second)
	time.Sleep(time.Second)
	each := float64(c.passedOn(t)-before) / float64(sent)
	t.Logf("%d broadcasts to %d pods: ovn-controller passed on %.2f packets for each", sent, many, each)
	if each > 2.5 {
		t.Errorf("ovn-controller passed on %.2f packets for each broadcast, want 2 at most", each)
	}

	known := startPings(t, world, crowdAddress(many-1))
	resume := hang(t, c.node, "ovn-controller unix")
	t.Logf("ovn-controller hangs: %d of %d pods hear a broadcast from the wire, which hears %d", c.hear(t), many, c.heard(t))
	if seen := known.end(); seen.Lost > 0 {
		t.Errorf("a pod whose MAC is known needs no broadcast, but: %v", seen)
	}
	resume()
	c.allHear(t)
}

// crowd is many pods on one node and VLAN, and a physical host there. Containers
// are not started, which would take minutes: kubelet waits for a ConfigMap that
// never comes, and the test calls the plugin as a runtime would.
type crowd struct{ node string }

const crowdHost = "192.168.120.1"

// crowdAddress is what the i-th pod asks for.
func crowdAddress(i int) string { return "192.168.120." + strconv.Itoa(100+i) }

func newCrowd(t *testing.T, node string) crowd {
	t.Helper()
	host(t, "crowdhost", 120, crowdHost+"/24")
	apply(t, providerYAML("crowd", "defaultInterface: eth0", onNode(node)))
	awaitPhase(t, "crowd", node, "Ready", "")
	apply(t, documents(vlanYAML("crowd", 120, "crowd"), namespaceYAML("crowd"),
		subnetYAML("crowd", "192.168.120.0/24", "crowd", "vlan: crowd", "gateway: "+crowdHost)))
	condition(t, "crowd", "Ready", "True")
	pods := "apiVersion: v1\nkind: List\nitems:\n"
	for i := range many {
		pods += fmt.Sprintf("- {apiVersion: v1, kind: Pod, metadata: {name: crowd-%d, namespace: crowd, annotations: {ovn.kubernetes.io/ip_address: %s}}, "+
			"spec: {nodeName: %s, automountServiceAccountToken: false, terminationGracePeriodSeconds: 0, "+
			"containers: [{name: c, image: 'registry.k8s.io/pause:3.10.2', volumeMounts: [{name: never, mountPath: /never}]}], volumes: [{name: never, configMap: {name: never}}]}}\n", i, crowdAddress(i), node)
	}
	apply(t, pods)
	c := crowd{node: node}
	c.attach(t)
	return c
}

// attach gives every pod its network, as ten at a time of a runtime's calls do.
func (c crowd) attach(t testing.TB) {
	t.Helper()
	const plugin = `echo '{"cniVersion":"1.0.0","name":"kube-ovn","type":"kube-ovn"}' |
CNI_COMMAND=$1 CNI_PATH=/opt/cni/bin CNI_IFNAME=eth0 CNI_CONTAINERID=crowd$2 CNI_NETNS=/run/netns/crowd-$2 \
CNI_ARGS="IgnoreUnknown=1;K8S_POD_NAMESPACE=crowd;K8S_POD_NAME=crowd-$2" /opt/cni/bin/kube-ovn > /tmp/crowd-$2 || { cat /tmp/crowd-$2; exit 1; }`
	inNode(t, c.node, "sh", "-c", "cat > /tmp/crowd.sh <<'END'\n"+plugin+"\nEND")
	c.each(t, c.node, 1, "ip netns add crowd-{}")
	t.Cleanup(func() { c.each(t, c.node, 1, "ip netns del crowd-{}") })
	t.Cleanup(func() { c.each(t, c.node, 10, "sh /tmp/crowd.sh DEL {}") })
	start := time.Now()
	if done, said := c.each(t, c.node, 10, "sh /tmp/crowd.sh ADD {}"); done != many {
		t.Fatalf("%d of %d pods have a network:\n%.2000s", done, many, said)
	}
	t.Logf("%d pods have a network after %v", many, time.Since(start).Round(time.Millisecond))
}

// each runs a command on a machine for each pod, some at a time, and tells for
// how many it succeeded, and what it said. {} is the pod's number.
func (crowd) each(t testing.TB, machine string, atATime int, command string) (done int, said string) {
	t.Helper()
	said = inNode(t, machine, "sh", "-c", fmt.Sprintf("seq 0 %d | xargs -P %d -I{} sh -c '{ %s; } 2>&1 && echo done'", many-1, atATime, command)+"; true")
	for line := range strings.Lines(said) {
		if strings.TrimSpace(line) == "done" {
			done++
		}
	}
	return done, said
}

// hear counts the pods that answer a broadcast of the physical host.
func (c crowd) hear(t testing.TB) int {
	t.Helper()
	answers, _ := c.each(t, "crowdhost", 50, "arping -q -f -c 3 -w 3 -I eth0 192.168.120.$((100 + {}))")
	return answers
}

// heard counts the pods whose broadcast the physical host answers.
func (c crowd) heard(t testing.TB) int {
	t.Helper()
	answers, _ := c.each(t, c.node, 50, "ip netns exec crowd-{} arping -q -f -c 3 -w 3 -I eth0 "+crowdHost)
	return answers
}

func (c crowd) allHear(t testing.TB) {
	t.Helper()
	eventually(t, time.Minute, "all pods hear a broadcast from the wire", func() error {
		if hear := c.hear(t); hear != many {
			return fmt.Errorf("%d of %d do", hear, many)
		}
		return nil
	})
}

// passedOn counts the packets that ovn-controller has had from the node's switch.
func (c crowd) passedOn(t testing.TB) (packets int) {
	t.Helper()
	pod := strings.TrimSpace(kubectl(t, "-n", "kube-system", "get", "pod", "-l", "app=ovs", "--field-selector", "spec.nodeName="+c.node, "-o", "name"))
	said := kubectl(t, "-n", "kube-system", "exec", pod, "--", "ovn-appctl", "-t", "ovn-controller", "coverage/read-counter", "pinctrl_total_pin_pkts")
	if _, err := fmt.Sscan(said, &packets); err != nil {
		t.Fatalf("ovn-controller says %q: %v", said, err)
	}
	return packets
}
