package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestUnderlayRestarts kills what runs of ours on a node. The host's own
// traffic never feels it; that of pods only when Open vSwitch itself dies, whose
// gap is printed. Each uplink is found again, and not attached anew.
func TestUnderlayRestarts(t *testing.T) {
	u := newUnderlayNet(t, "kill")
	pod := u.red[0]
	uplink := func() string {
		return inNode(t, pod.node, "sh", "-c", "tc filter show dev eth0 ingress; tc filter show dev eth0 egress; ip -o link | grep -e hwo -e hww | cut -d: -f1,2; find /sys/fs/bpf -mindepth 1 | sort")
	}
	before := uplink()
	for _, victim := range []struct {
		process, selector string
		lossless          bool
	}{
		{"kube-ovn-daemon", "app=kube-ovn-cni", true},
		{"ovn-controller unix", "app=ovs", true},
		{"ovs-vswitchd", "app=ovs", false},
	} {
		world := startHostTraffic(t, "flathost", hostOf(address(t, pod.node), flatHost4, flatHost6), pod.node)
		out := startPings(t, netnsOf(t, pod.name), hostOf(pod.ips[0], redHost4, redHost6))
		in := startPings(t, machineNetns(t, "redhost"), pod.ips[0])
		time.Sleep(3 * time.Second)
		if signalIn(t, pod.node, victim.process, syscall.SIGKILL) == 0 {
			t.Errorf("no process %q on %s", victim.process, pod.node)
		}
		kubectl(t, "-n", "kube-system", "wait", "--for=condition=Ready", "--timeout=120s", "pod", "-l", victim.selector)
		awaitPhase(t, "kill", pod.node, "Ready", "")
		time.Sleep(5 * time.Second)
		if lost := world.end(t); lost > 0 {
			t.Errorf("kill -9 of %s: the host lost %d pings", victim.process, lost)
		}
		there, back := out.end(), in.end()
		t.Logf("kill -9 of %s: pod → host %v; host → pod %v", victim.process, there, back)
		if victim.lossless && there.Lost+back.Lost > 0 {
			t.Errorf("kill -9 of %s: the pod lost %d pings", victim.process, there.Lost+back.Lost)
		}
		if after := uplink(); after != before {
			t.Errorf("kill -9 of %s: the uplink was\n%s\nand is\n%s", victim.process, before, after)
		}
	}
	ownAddress(t, pod, hostOf(pod.ips[0], redHost4, redHost6), "80", 0)
}

// TestUnderlayReboot cuts a node's power: its NIC comes back with the uplink,
// its pods answer on the wire, and the others notice nothing.
func TestUnderlayReboot(t *testing.T) {
	u := newUnderlayNet(t, "boot")
	stays, goes := u.red[0], u.red[1]
	world := startHostTraffic(t, "flathost", hostOf(address(t, stays.node), flatHost4, flatHost6), stays.node)
	pings := startPings(t, netnsOf(t, stays.name), hostOf(stays.ips[0], redHost4, redHost6))
	lab(t, "power", "off", goes.node)
	lab(t, "power", "on", goes.node)
	// From here on the node's own address must not go away again.
	self := startPings(t, machineNetns(t, "flathost"), address(t, goes.node))
	kubectl(t, "wait", "--for=condition=Ready", "--timeout=180s", "node/"+goes.node)
	eventually(t, 2*time.Minute, "the pod of the node that lost power answers on the wire", func() error {
		_, err := run("", "exec", "redhost", "--", "curl", "-sS", "-g", "--max-time", "2", "http://"+goes.ips[0]+":8080/hostname")
		return err
	})
	awaitPhase(t, "boot", goes.node, "Ready", "")
	time.Sleep(5 * time.Second)
	if seen := self.end(); seen.Lost > 0 {
		t.Errorf("%s itself, from its boot on: %v", goes.node, seen)
	}
	if lost := world.end(t); lost > 0 {
		t.Errorf("%s, which stayed on, lost %d pings", stays.node, lost)
	}
	if seen := pings.end(); seen.Lost > 0 {
		t.Errorf("the pod on %s: %v", stays.node, seen)
	}
}

// TestUnderlayExclude takes a node out of a provider network and lets it in
// again, under traffic of its host, which in between is as it was.
func TestUnderlayExclude(t *testing.T) {
	node := nodes(t)[2]
	host(t, "flathost", 0, flatHost4+"/24", flatHost6+"/64")
	before := ofHost(t, node, "eth0")
	sharedNIC(t, "some")
	world := startHostTraffic(t, "flathost", hostOf(address(t, node), flatHost4, flatHost6), node)
	time.Sleep(3 * time.Second)
	kubectl(t, "patch", "provider-network", "some", "--type=merge", "-p", fmt.Sprintf(`{"spec":{"excludeNodes":[%q]}}`, node))
	eventually(t, time.Minute, node+" is out", func() error {
		if part, err := partOf("some", node); err == nil {
			return fmt.Errorf("it is %s %s", part.Phase, part.Message)
		}
		return nil
	})
	asBefore(t, node, before, ofHost(t, node, "eth0"))
	if labels := kubectl(t, "get", "node", node, "-o", "jsonpath={.metadata.labels}"); strings.Contains(labels, `some.provider-network.kubernetes.io/ready":"true`) {
		t.Errorf("%s is excluded and has the labels %s", node, labels)
	}
	for _, other := range nodes(t)[:2] {
		awaitPhase(t, "some", other, "Ready", "")
	}
	kubectl(t, "patch", "provider-network", "some", "--type=merge", "-p", `{"spec":{"excludeNodes":[]}}`)
	awaitProvider(t, "some")
	time.Sleep(5 * time.Second)
	if lost := world.end(t); lost > 0 {
		t.Errorf("%s lost %d pings", node, lost)
	}
}

// TestUnderlayDryRun: every node says what it would do, and does nothing.
func TestUnderlayDryRun(t *testing.T) {
	before := ofHosts(t)
	apply(t, providerYAML("dry", "defaultInterface: eth0", "dryRun: true"))
	for _, node := range allNodes(t) {
		part := awaitPhase(t, "dry", node, "Planned", "")
		if part.Attachment != "Shared" || !strings.Contains(part.Plan, "eth0") {
			t.Errorf("%s would attach as %s:\n%s", node, part.Attachment, part.Plan)
		}
	}
	untouched(t, before)
	kubectl(t, "patch", "provider-network", "dry", "--type=merge", "-p", `{"spec":{"dryRun":false}}`)
	awaitProvider(t, "dry")
}

var promiscuity = regexp.MustCompile(`"promiscuity":[0-9]+`)

// TestUnderlayUninstall takes the fabric away with provider networks still
// there, as a user would, with helm: the hosts keep their traffic and nothing of
// ours. Then it comes back by the values that it was installed with.
func TestUnderlayUninstall(t *testing.T) {
	values := filepath.Join(t.TempDir(), "values.yaml")
	chart, err := filepath.Abs("../../charts/kube-ovn")
	if err != nil {
		t.Fatal(err)
	}
	given, err := run("", "helm", "--", "-n", "kube-system", "get", "values", "kube-ovn", "-o", "yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(values, []byte(given), 0o600); err != nil {
		t.Fatal(err)
	}
	host(t, "flathost", 0, flatHost4+"/24", flatHost6+"/64")
	before := ofHosts(t)
	for node, state := range before { // the tunnels' device keeps the NIC promiscuous, and goes too
		before[node] = promiscuity.ReplaceAllString(state, `"promiscuity":0`)
	}
	sharedNIC(t, "leaving")
	world := startHostTraffic(t, "flathost", hostOf(address(t, nodes(t)[0]), flatHost4, flatHost6), nodes(t)[:2]...)
	time.Sleep(3 * time.Second)
	t.Cleanup(func() {
		if _, err := run("", "helm", "--", "upgrade", "--install", "kube-ovn", chart, "-n", "kube-system", "--values", values, "--timeout", "5m"); err != nil {
			t.Error(err)
		}
		kubectl(t, "wait", "--for=condition=Ready", "--timeout=300s", "node", "--all")
	})
	if _, err := run("", "helm", "--", "-n", "kube-system", "uninstall", "kube-ovn", "--wait", "--timeout", "4m"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(5 * time.Second)
	if lost := world.end(t); lost > 0 {
		t.Errorf("the hosts lost %d pings", lost)
	}
	untouched(t, before)
}

// TestUnderlayBadInput: what cannot be is refused at once or is a condition and
// an event for the node; no host is touched; and what is mended goes on by
// itself.
func TestUnderlayBadInput(t *testing.T) {
	before := ofHosts(t)
	for _, bad := range []struct{ name, spec, says string }{
		{"thirteenchars", "defaultInterface: eth0", "12 characters"},
		{"int", "defaultInterface: eth0", "br-"},
		{"phy", "defaultInterface: eth0", "br-"},
		{"encap", "defaultInterface: eth0", "br-"},
		{"external", "defaultInterface: eth0", "br-"},
		{"loop", "defaultInterface: lo", "loopback"},
		{"both", "{defaultInterface: eth0, defaultInterfaces: [eth1]}", "exactly one"},
		{"none", "attachment: Shared", "exactly one"},
		{"bonded", "{defaultInterface: eth0, attachment: Shared, mode: LACP}", "Shared"},
	} {
		yaml := providerYAML(bad.name, bad.spec)
		if strings.HasPrefix(bad.spec, "{") {
			yaml = strings.Replace(yaml, "spec:\n  ", "spec: ", 1)
		}
		err := tryApply(yaml)
		if err == nil {
			remove(t, yaml)
			t.Errorf("%s: accepted", bad.name)
			continue
		}
		if !strings.Contains(err.Error(), bad.says) {
			t.Errorf("%s: refused without %q: %v", bad.name, bad.says, err)
		}
		t.Logf("%s: %s", bad.name, lastLine(err))
	}
	t.Run("per node", func(t *testing.T) { badOnNodes(t) })
	t.Run("the same VLAN twice", func(t *testing.T) { sameVLANTwice(t) })
	untouched(t, before)
}

// badOnNodes is what only a node can see.
func badOnNodes(t *testing.T) {
	node := nodes(t)[0]
	apply(t, documents(namespaceYAML("bad-nic"), podYAML("bad-nic", "cable", node, nil)))
	waitReady(t, "bad-nic", "cable")
	veth := ""
	for line := range strings.Lines(inNode(t, node, "ip", "-o", "link", "show", "type", "veth")) {
		if name, _, found := strings.Cut(strings.Fields(line)[1], "@"); found && name != "eth0" {
			veth = name
		}
	}
	for _, bad := range []struct{ name, nic, attachment, reason, says string }{
		{"nowhere", "eth9", "Auto", "InterfaceNotFound", "eth9"},
		{"cable", veth, "Auto", "InterfaceInUse", veth},
		{"asport", "eth0", "Port", "InterfaceInUse", "Shared"},
		{"taken", "eth0", "Takeover", "Unsupported", "userspace"},
	} {
		apply(t, providerYAML(bad.name, "defaultInterface: "+bad.nic, "attachment: "+bad.attachment, onNode(node)))
		object := bad.name + "." + node
		var said part
		eventually(t, time.Minute, object+" says "+bad.reason, func() error {
			var err error
			if said, err = partOf(bad.name, node); err == nil && (said.Reason != bad.reason || !strings.Contains(said.Message, bad.says)) {
				err = fmt.Errorf("it is %s %s: %s", said.Phase, said.Reason, said.Message)
			}
			return err
		})
		if !slices.ContainsFunc(said.Conditions, func(c partCondition) bool {
			return c.Type == "Ready" && c.Status == "False" && c.Reason == bad.reason
		}) {
			t.Errorf("%s: conditions %v lack Ready=False %s", object, said.Conditions, bad.reason)
		}
		t.Logf("%s: %s: %s; %s", object, said.Reason, said.Message, event(t, "default", object, bad.says))
		if bad.name != "nowhere" {
			kubectl(t, "delete", "provider-network", bad.name, "--timeout=60s")
		}
	}
	lateNIC(t, "nowhere", node)

	// What is not built is not even planned.
	apply(t, providerYAML("together", "defaultInterfaces: [eth0, eth9]", "mode: ActiveBackup", "attachment: Shared", onNode(node)))
	if said := awaitPhase(t, "together", node, "Failed", "Unsupported"); !strings.Contains(said.Message, "not built") || said.Plan != "" {
		t.Errorf("a bond of shared NICs: %s, planned %q", said.Message, said.Plan)
	}
	t.Log(event(t, "default", "together."+node, "ActiveBackup"))
	kubectl(t, "delete", "provider-network", "together", "--timeout=60s")
	if parts := kubectl(t, "get", "provider-network-node", "-o", "name"); parts != "" {
		t.Errorf("nodes have parts in what was deleted: %s", parts)
	}
}

// lateNIC: a NIC that appears, is unplugged and plugged in again is attached
// each time, without being asked.
func lateNIC(t *testing.T, provider, node string) {
	t.Helper()
	lab(t, "lan", "add", "late")
	t.Cleanup(func() { lab(t, "lan", "remove", "late") })
	t.Cleanup(func() { lab(t, "nic", "remove", node, "eth9") })
	for range 2 {
		plugIn(t, "late", node, "eth9")
		if part := awaitPhase(t, provider, node, "Ready", ""); part.Attachment != "Port" {
			t.Errorf("a NIC that nobody uses is attached as %s, want Port", part.Attachment)
		}
		lab(t, "nic", "remove", node, "eth9")
		awaitPhase(t, provider, node, "Pending", "InterfaceNotFound")
	}
	kubectl(t, "delete", "provider-network", provider, "--timeout=60s")
	gone(t, provider)
}

// sameVLANTwice: the second Vlan of an id says that it is in conflict.
func sameVLANTwice(t *testing.T) {
	sharedNIC(t, "twice")
	apply(t, vlanYAML("twice-a", 7, "twice"))
	apply(t, vlanYAML("twice-b", 7, "twice"))
	eventually(t, time.Minute, "twice-b is in conflict", func() error {
		out, err := tryKubectl("get", "vlan", "twice-b", "-o", "jsonpath={.status.conflict} {.status.conditions}")
		if err == nil && (!strings.HasPrefix(out, "true") || !strings.Contains(out, "twice-a")) {
			err = fmt.Errorf("it says %s", out)
		}
		return err
	})
	t.Log(event(t, "default", "twice-b", "twice-a"))
	kubectl(t, "delete", "vlan", "twice-a", "--timeout=60s")
	eventually(t, time.Minute, "twice-b is well once twice-a is gone", func() error {
		out, err := tryKubectl("get", "vlan", "twice-b", "-o", "jsonpath={.status.conflict}")
		if err == nil && out == "true" {
			err = fmt.Errorf("it is in conflict")
		}
		return err
	})
}
