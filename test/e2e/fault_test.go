package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestRestartsLoseNothing kills each of our processes under traffic. Agent,
// controller and ovn-controller are not in the path of a packet: nothing may
// be lost. In the userspace datapath ovs-vswitchd is the path: what is lost is
// its own gap, which is printed.
func TestRestartsLoseNothing(t *testing.T) {
	pods := twoTenants(t, "restart", 54)
	a, b := pods[0], pods[1]
	for _, victim := range []struct {
		process, node, selector string
		lossless                bool
	}{
		{"kube-ovn-daemon", a.node, "app=kube-ovn-cni", true},
		{"kube-ovn-controller", "cp", "app=kube-ovn-controller", true},
		{"ovn-controller unix", a.node, "app=ovs", true},
	} {
		seen := underTraffic(t, a.name, b.name, a.ips[0], b.ips[0], func() {
			if signalIn(t, victim.node, victim.process, syscall.SIGKILL) == 0 {
				t.Errorf("no process %q on %s", victim.process, victim.node)
			}
		})
		t.Logf("kill -9 of %s on %s: %v", victim.process, victim.node, seen)
		if victim.lossless && seen.Lost > 0 {
			t.Errorf("%s: %v", victim.process, seen)
		}
		kubectl(t, "-n", "kube-system", "wait", "--for=condition=Ready", "--timeout=120s", "pod", "-l", victim.selector)
	}
	apply(t, podYAML(a.namespace, "after-restarts", a.node, nil))
	waitReady(t, a.namespace, "after-restarts")
}

// TestPowerCut: a node loses power and boots again; its pods are back with
// working networks, and no address is held twice.
func TestPowerCut(t *testing.T) {
	pods := twoTenants(t, "power", 56)
	a, b := pods[0], pods[1]
	if _, err := run("", "power", "off", b.node); err != nil {
		t.Fatal(err)
	}
	if _, err := run("", "power", "on", b.node); err != nil {
		t.Fatal(err)
	}
	kubectl(t, "wait", "--for=condition=Ready", "--timeout=180s", "node/"+b.node)
	eventually(t, 2*time.Minute, "the pod on the node that lost power answers again", func() error {
		_, err := a.fetch(b.ips[0], "8080", "/hostname")
		return err
	})
	noDuplicates(t)
}

// noDuplicates checks that no address is held by two IP objects of one subnet.
func noDuplicates(t testing.TB) {
	t.Helper()
	out := kubectl(t, "get", "ip", "-o", `jsonpath={range .items[*]}{.metadata.name} {.spec.subnet} {.spec.v4IpAddress} {.spec.v6IpAddress}{"\n"}{end}`)
	holder := map[string]string{}
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		for _, address := range fields[min(2, len(fields)):] {
			key := fields[1] + " " + address
			if other, taken := holder[key]; taken {
				t.Errorf("%s is held by %s and %s", key, other, fields[0])
			}
			holder[key] = fields[0]
		}
	}
}

// TestOneAnswerToARP: a node's address is answered for by that node alone,
// asked from the LAN and from a pod's own network.
func TestOneAnswerToARP(t *testing.T) {
	all := nodes(t)
	address := kubectl(t, "get", "node", all[1], "-o", `jsonpath={.status.addresses[?(@.type=="InternalIP")].address}`)
	address = strings.Fields(address)[0]
	out := inNode(t, all[0], "sh", "-c", fmt.Sprintf("arping -c 3 -w 4 -I eth0 %s || true", address))
	answers := map[string]bool{}
	replies := 0
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); strings.Contains(line, "eply from") {
			replies++
			answers[strings.ToLower(fields[4])] = true
		}
	}
	if replies != 3 || len(answers) != 1 {
		t.Errorf("%d answers from %d MACs to 3 requests:\n%s", replies, len(answers), out)
	}
}

// TestContractNames: OVN reads as the contract says.
func TestContractNames(t *testing.T) {
	pods := twoTenants(t, "names", 58)
	show := nbctl(t, "show")
	for _, name := range []string{"router", "(ovn-cluster)", "(join)", "(ovn-default)", "ovn-cluster-join", "join-ovn-cluster", "ovn-cluster-names-0", "node-" + pods[0].node, pods[0].name + "." + pods[0].namespace} {
		if !strings.Contains(show, name) {
			t.Errorf("ovn-nbctl show lacks %s", name)
		}
	}
	t.Log("\n" + show)
}
