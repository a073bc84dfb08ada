package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestUnderlayAddresses: a pod has the address and MAC that it asks for, on the
// wire too. One whose address somebody else has, whose gateway does not answer,
// or whose node is not in the provider network waits, says why, and starts by
// itself when that is mended.
func TestUnderlayAddresses(t *testing.T) {
	const mac = "0a:00:00:00:bb:30"
	node, outside := nodes(t)[0], nodes(t)[2]
	host(t, "gwhost", 300, "192.168.110.1/24")
	host(t, "squatter", 300, "192.168.110.20/24")
	only := func(nodes string) string {
		return fmt.Sprintf("nodeSelector: {matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [%s]}]}", nodes)
	}
	apply(t, providerYAML("addr", "defaultInterface: eth0", only(node)))
	awaitPhase(t, "addr", node, "Ready", "")
	apply(t, documents(vlanYAML("addr", 300, "addr"), vlanYAML("mute", 301, "addr"), namespaceYAML("addr"), namespaceYAML("mute"),
		subnetYAML("addr", "192.168.110.0/24", "addr", "vlan: addr", "gateway: 192.168.110.1"),
		subnetYAML("mute", "192.168.111.0/24", "mute", "vlan: mute", "gateway: 192.168.111.1")))
	note := func(key, value string) map[string]string { return map[string]string{"ovn.kubernetes.io/" + key: value} }
	fixed := note("ip_address", "192.168.110.30")
	fixed["ovn.kubernetes.io/mac_address"] = mac
	apply(t, documents(
		unprobed(podYAML("mute", "mute", node, nil)),
		unprobed(podYAML("addr", "taken", node, note("ip_address", "192.168.110.20"))),
		unprobed(podYAML("addr", "outside", outside, nil)),
		unprobed(podYAML("addr", "fixed", node, fixed))))

	waitReady(t, "addr", "fixed")
	if said := strings.ToLower(inNode(t, "gwhost", "arping", "-c", "1", "-w", "5", "-I", "eth0", "192.168.110.30")); !strings.Contains(said, "["+mac+"]") {
		t.Errorf("192.168.110.30 is not at %s: %s", mac, said)
	}
	t.Log(event(t, "addr", "taken", "excludeIps"))
	t.Log(event(t, "addr", "outside", "has no part in it"))
	t.Log(event(t, "mute", "mute", "disableGatewayCheck"))

	lab(t, "host", "remove", "squatter")
	host(t, "mutegw", 301, "192.168.111.1/24")
	if err := tryApply(providerYAML("addr", "defaultInterface: eth0", only(node+", "+outside))); err != nil {
		t.Fatal(err)
	}
	waitReady(t, "addr", "taken", "outside")
	waitReady(t, "mute", "mute")
}

// TestUnderlayOrder: a subnet, its Vlan and its provider network may be made in
// any order, and deleted in any: each says whom it waits for, and what is still
// used stays.
func TestUnderlayOrder(t *testing.T) {
	node := nodes(t)[0]
	before := ofHost(t, node, "eth0")
	subnet := subnetYAML("order", "192.168.140.0/24", "order", "vlan: order", "gateway: 192.168.140.1", "disableGatewayCheck: true")
	apply(t, namespaceYAML("order"))
	apply(t, subnet)
	if said := condition(t, "order", "Validated", "False"); !strings.Contains(said, "vlan order does not exist") {
		t.Errorf("a subnet without its Vlan says %s", said)
	}
	apply(t, vlanYAML("order", 400, "order"))
	eventually(t, 30*time.Second, "the subnet misses the provider network", func() error {
		if said := condition(t, "order", "Validated", "False"); !strings.Contains(said, `provider network "order" does not exist`) {
			return fmt.Errorf("it says %s", said)
		}
		return nil
	})
	t.Log(event(t, "default", "order", `provider network "order" does not exist`))
	apply(t, providerYAML("order", "defaultInterface: eth0", onNode(node)))
	condition(t, "order", "Ready", "True")
	pod := started(t, placed{namespace: "order", name: "order", node: node}, unprobed(podYAML("order", "order", node, nil)))
	host(t, "orderhost", 400, "192.168.140.1/24")

	for _, kind := range []string{"provider-network", "vlan", "subnet"} {
		kubectl(t, "delete", kind, "order", "--wait=false")
	}
	t.Log(event(t, "default", "order", "in use by vlan order"))
	t.Log(event(t, "default", "order", "in use by subnet order"))
	awaitPhase(t, "order", node, "Ready", "")
	if out, err := inPodNet(t, pod, "curl", "-sS", "--max-time", "5", "http://192.168.140.1/hostname"); err != nil || out != "orderhost" {
		t.Errorf("a pod of what waits to be deleted → the wire: %q %v", out, err)
	}
	kubectl(t, "-n", "order", "delete", "pod", "order", "--timeout=60s")
	for _, kind := range []string{"subnet", "vlan", "provider-network"} {
		kubectl(t, "wait", "--for=delete", kind+"/order", "--timeout=90s")
	}
	asBefore(t, node, before, ofHost(t, node, "eth0"))
}
