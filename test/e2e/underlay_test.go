package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// The underlay tests use the nodes' only NIC, which carries their addresses and
// the API, and stand physical hosts on its LAN (bin/sandbox host, router).
const underlayLAN = "underlay"

// machineNetns is the network namespace of a machine of the sandbox: of a node,
// a physical host or a router.
func machineNetns(t testing.TB, name string) string {
	t.Helper()
	out, err := run("", "status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[0] == name && fields[1] == "on" {
			return filepath.Join("/proc", fields[2], "ns/net")
		}
	}
	t.Fatalf("no machine %s is on:\n%s", name, out)
	return ""
}

// lab changes the sandbox's networks: its commands lan, nic, host and router.
func lab(t testing.TB, args ...string) {
	t.Helper()
	if _, err := run("", args...); err != nil {
		t.Fatal(err)
	}
}

// host stands a physical host on the nodes' LAN until the test ends. VLAN 0 is
// untagged frames.
func host(t testing.TB, name string, vlan int, addresses ...string) {
	t.Helper()
	hostOn(t, underlayLAN, name, vlan, addresses...)
}

func hostOn(t testing.TB, lan, name string, vlan int, addresses ...string) {
	t.Helper()
	lab(t, "host", "add", name, "--lan", lan, "--vlan", fmt.Sprint(vlan), "--address", strings.Join(addresses, ","))
	t.Cleanup(func() { lab(t, "host", "remove", name) })
}

// plugIn plugs another NIC of a node into a LAN.
func plugIn(t testing.TB, lan, node, nic string, addresses ...string) {
	t.Helper()
	lab(t, "nic", "add", node, nic, "--lan", lan, "--address", strings.Join(addresses, ","))
}

func providerYAML(name string, spec ...string) string {
	return fmt.Sprintf("apiVersion: kubeovn.io/v1\nkind: ProviderNetwork\nmetadata: {name: %s}\nspec:\n  %s\n", name, strings.Join(spec, "\n  "))
}

func vlanYAML(name string, id int, provider string) string {
	return fmt.Sprintf("apiVersion: kubeovn.io/v1\nkind: Vlan\nmetadata: {name: %s}\nspec: {id: %d, provider: %s}\n", name, id, provider)
}

// onNode is the spec line of a provider network that has one node only.
func onNode(node string) string {
	return "nodeSelector: {matchLabels: {kubernetes.io/hostname: " + node + "}}"
}

// part is what one node says of itself in a provider network.
type part struct {
	Phase, Attachment, Reason, Message, Plan string
	Conditions                               []partCondition
}

type partCondition struct{ Type, Status, Reason, Message string }

// partOf asks for it; there may be none.
func partOf(provider, node string) (part, error) {
	var object struct{ Status part }
	out, err := tryKubectl("get", "provider-network-node", provider+"."+node, "-o", "json")
	if err == nil {
		err = json.Unmarshal([]byte(out), &object)
	}
	return object.Status, err
}

// awaitPhase waits until a node is in a phase, and, where reason is not empty,
// for that reason.
func awaitPhase(t testing.TB, provider, node, phase, reason string) part {
	t.Helper()
	var last part
	eventually(t, 90*time.Second, fmt.Sprintf("%s.%s is %s %s", provider, node, phase, reason), func() error {
		var err error
		if last, err = partOf(provider, node); err != nil {
			return err
		}
		if last.Phase != phase || reason != "" && last.Reason != reason {
			return fmt.Errorf("it is %s %s: %s", last.Phase, last.Reason, last.Message)
		}
		return nil
	})
	return last
}

// allNodes are the workers and the control plane.
func allNodes(t testing.TB) []string {
	t.Helper()
	return strings.Fields(kubectl(t, "get", "nodes", "-o", "jsonpath={.items[*].metadata.name}"))
}

// awaitProvider waits until a provider network stands on all nodes.
func awaitProvider(t testing.TB, name string) {
	t.Helper()
	want := allNodes(t)
	slices.Sort(want)
	eventually(t, 2*time.Minute, "provider network "+name+" is ready on "+strings.Join(want, " "), func() error {
		out, err := tryKubectl("get", "provider-network", name, "-o", `jsonpath={.status.ready}|{.status.readyNodes[*]}|{.status.failures}`)
		if err != nil {
			return err
		}
		parts := strings.SplitN(out, "|", 3)
		ready := strings.Fields(parts[1])
		slices.Sort(ready)
		if parts[0] != "true" || !slices.Equal(ready, want) {
			return fmt.Errorf("ready is %q on %v; failures %s", parts[0], ready, parts[2])
		}
		return nil
	})
}

// sharedNIC attaches the nodes' only NIC to a provider network, and sees that it
// is by sharing.
func sharedNIC(t testing.TB, name string, spec ...string) {
	t.Helper()
	apply(t, providerYAML(name, append([]string{"defaultInterface: eth0"}, spec...)...))
	awaitProvider(t, name)
	for _, node := range allNodes(t) {
		if part := awaitPhase(t, name, node, "Ready", ""); part.Attachment != "Shared" {
			t.Fatalf("%s is attached as %s, want Shared", node, part.Attachment)
		}
	}
}

// ofHost is everything that a node's host has on a NIC or because of one, as
// text: what a provider network must leave as it was. Counters and neighbours,
// which move by themselves, are not in it, nor are the pods' devices.
func ofHost(t testing.TB, node, nic string) string {
	t.Helper()
	script := strings.ReplaceAll(`
set -e
ip -j -d link show dev NIC
ip -j -d address show dev NIC
echo; ip -4 route show table all dev NIC; ip -6 route show table all dev NIC | sort
ip -4 rule; ip -6 rule
tc qdisc show dev NIC; tc filter show dev NIC ingress; tc filter show dev NIC egress
sysctl -a 2>/dev/null | grep -F .NIC. | grep -v -e stable_secret -e disable_policy
find /sys/fs/bpf -mindepth 1 | sort
ip -o link | sed -n 's/^[0-9]*: \(hw[ow][0-9a-f]*\|br-[a-z0-9]*\)[@:].*/device \1/p' | grep -v -e br-int -e br-encap || true
`, "NIC", nic)
	return inNode(t, node, "sh", "-c", script)
}

// asBefore compares two answers of ofHost, line by line.
func asBefore(t testing.TB, node, before, after string) {
	t.Helper()
	if before == after {
		return
	}
	was, is := strings.Split(before, "\n"), strings.Split(after, "\n")
	for _, line := range was {
		if !slices.Contains(is, line) {
			t.Errorf("%s had and has no more: %s", node, line)
		}
	}
	for _, line := range is {
		if !slices.Contains(was, line) {
			t.Errorf("%s has and had not: %s", node, line)
		}
	}
	if !t.Failed() {
		t.Errorf("%s: the same lines in another order:\n%s\n%s", node, before, after)
	}
}

// ofHosts is ofHost of every node.
func ofHosts(t testing.TB) map[string]string {
	t.Helper()
	states := map[string]string{}
	for _, node := range allNodes(t) {
		states[node] = ofHost(t, node, "eth0")
	}
	return states
}

// untouched says that every host is as it was.
func untouched(t testing.TB, before map[string]string) {
	t.Helper()
	for node, state := range before {
		asBefore(t, node, state, ofHost(t, node, "eth0"))
	}
}

// gone waits until no part of a provider network is left.
func gone(t testing.TB, name string) {
	t.Helper()
	eventually(t, 90*time.Second, "provider network "+name+" is gone from all nodes", func() error {
		out, err := tryKubectl("get", "provider-network-node", "-l", "ovn.kubernetes.io/provider-network="+name, "-o", "name")
		if err == nil && strings.TrimSpace(out) != "" {
			err = fmt.Errorf("left: %s", out)
		}
		return err
	})
}

// readiness is when each node last became Ready or stopped being so.
func readiness(t testing.TB) string {
	t.Helper()
	return kubectl(t, "get", "nodes", "-o", `jsonpath={range .items[*]}{.metadata.name}{.status.conditions[?(@.type=="Ready")]['status','lastTransitionTime']}{"\n"}{end}`)
}

// address is a node's address in the primary family.
func address(t testing.TB, node string) string {
	t.Helper()
	return strings.Fields(kubectl(t, "get", "node", node, "-o", `jsonpath={.status.addresses[?(@.type=="InternalIP")].address}`))[0]
}
