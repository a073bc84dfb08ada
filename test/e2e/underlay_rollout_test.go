package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	words "hawser/internal/host"
)

// turns is a provider network on the only NIC of three nodes, which get their turns
// one after another.
type turns struct {
	*testing.T
	nodes []string
}

// name makes the provider network, or has it name another NIC.
func (u turns) name(nic string, spec ...string) {
	u.Helper()
	if err := tryApply(u.yaml(nic, spec...)); err != nil {
		u.Fatal(err)
	}
}

func (u turns) yaml(nic string, spec ...string) string {
	return providerYAML("turns", slices.Concat([]string{"defaultInterface: " + nic, onNodes(u.nodes...)}, spec)...)
}

// onNodes is the spec line of a provider network that has these nodes only.
func onNodes(names ...string) string {
	return "nodeSelector: {matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [" + strings.Join(names, ", ") + "]}]}"
}

// tell logs what an operator sees.
func (u turns) tell(when string) {
	u.Helper()
	u.Logf("%s:\n%s", when, kubectl(u, "get", "pnn", "-o", "wide"))
}

// mistyped waits until no node has such a NIC, and each says so.
func (u turns) mistyped() {
	u.Helper()
	u.name("eht0")
	for _, node := range u.nodes {
		awaitPhase(u, "turns", node, "Pending", "InterfaceNotFound")
	}
	u.tell("a typo")
}

// taps are the programs, pairs and pins of the nodes' shared NICs.
func (u turns) taps() (all []string) {
	u.Helper()
	for _, node := range u.nodes {
		all = append(all, inNode(u, node, "sh", "-c", "tc filter show dev eth0 ingress; tc filter show dev eth0 egress; ip -o link | grep -e hwo -e hww | cut -d: -f1,2; find /sys/fs/bpf -mindepth 1 | sort"))
	}
	return all
}

// TestUnderlayRollout: a typo in the NIC's name, of a new provider network as of one
// that stands, touches no node. In a dry run each says what it would do. Approved in
// turn, the first node that fails is as it was, and stops the rest until that is
// mended. No node loses a packet in all of it.
func TestUnderlayRollout(t *testing.T) {
	u := turns{T: t, nodes: nodes(t)[:3]}
	host(t, "flathost", 0, flatHost4+"/24", flatHost6+"/64")
	before := ofHosts(t)
	world := startHostTraffic(t, "flathost", hostOf(address(t, u.nodes[0]), flatHost4, flatHost6), u.nodes...)
	time.Sleep(3 * time.Second)
	t.Cleanup(func() { remove(t, u.yaml("eth0")) })

	u.mistyped()
	untouched(t, before)
	u.name("eth0", "dryRun: true")
	for _, node := range u.nodes {
		if part := awaitPhase(t, "turns", node, "Planned", ""); part.Attachment != "Shared" || !strings.Contains(part.Plan, "eth0") {
			t.Errorf("%s would attach as %s:\n%s", node, part.Attachment, part.Plan)
		}
	}
	u.tell("a dry run")
	t.Log("\n" + kubectl(t, "describe", "pnn", "turns."+u.nodes[1]))
	untouched(t, before)

	u.stopped()
	for _, node := range u.nodes {
		awaitPhase(t, "turns", node, "Ready", "")
	}
	u.tell("mended")

	standing := u.taps()
	u.mistyped()
	u.name("eth0")
	for _, node := range u.nodes {
		awaitPhase(t, "turns", node, "Ready", "")
	}
	if now := u.taps(); !slices.Equal(now, standing) {
		t.Errorf("a typo, and its end, made of\n%s\nthis:\n%s", standing, now)
	}
	time.Sleep(5 * time.Second)
	if lost := world.end(t); lost > 0 {
		t.Errorf("the nodes lost %d pings", lost)
	}
}

// stopped has the second node fail: a device of somebody else has the name of its pair.
func (u turns) stopped() {
	u.Helper()
	first, second, third := u.nodes[0], u.nodes[1], u.nodes[2]
	taken := words.SharedUplink("turns", "eth0").Tap
	inNode(u, second, "ip", "link", "add", taken, "type", "bridge")
	mend := sync.OnceFunc(func() { inNode(u, second, "ip", "link", "del", taken) })
	u.Cleanup(mend)
	before := map[string]string{second: ofHost(u, second, "eth0"), third: ofHost(u, third, "eth0")}
	u.name("eth0", "dryRun: false")
	awaitPhase(u, "turns", first, "Ready", "")
	failed := awaitPhase(u, "turns", second, "RolledBack", "")
	for node, state := range before { // Open vSwitch takes the bridge away when it comes to it
		eventually(u, 8*time.Second, node+" is as it was", func() error {
			if now := ofHost(u, node, "eth0"); now != state {
				return fmt.Errorf("it was\n%s\nand is\n%s", state, now)
			}
			return nil
		})
	}
	if !strings.Contains(failed.Message, taken) {
		u.Errorf("%s does not say what is in its way: %s", second, failed.Message)
	}
	eventually(u, 20*time.Second, "the network says what it waits for", func() error {
		out, err := tryKubectl("get", "provider-network", "turns", "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].message}`)
		if err == nil && !strings.Contains(out, "wait until that is mended") {
			err = fmt.Errorf("it says %s", out)
		}
		return err
	})
	u.tell("the second node failed")
	u.Log("\n" + kubectl(u, "describe", "pnn", "turns."+second))
	awaitPhase(u, "turns", third, "Waiting", "WaitingForTurn")
	mend()
}
