package e2e

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

// trustedPod lets pods be the hosts' DHCP servers; nobody loses anything on the
// way there.
func trustedPod(t *testing.T, pod placed, offer []byte) {
	world := startHostTraffic(t, "flathost", flatHost4, pod.node)
	pings := startPings(t, netnsOf(t, pod.name), hostOf(pod.ips[0], flatHost4, flatHost6))
	time.Sleep(3 * time.Second)
	kubectl(t, "patch", "provider-network", "forge", "--type=merge", "-p", `{"spec":{"trustPods":true}}`)
	eventually(t, time.Minute, "the host hears the DHCP offers of a trusted pod", func() error {
		if heardAsClient(t, machineNetns(t, pod.node), func() { emit(t, netnsOf(t, pod.name), offer, time.Second) }) == 0 {
			return errors.New("none")
		}
		return nil
	})
	if lost := world.end(t); lost > 0 {
		t.Errorf("trusting pods cost the host %d pings", lost)
	}
	if seen := pings.end(); seen.Lost > 0 {
		t.Errorf("trusting pods cost the pod %v", seen)
	}
}

// TestUnderlayForeignMACs: a switch that lets only the node's own MACs through is
// found out and told, and when it has changed its mind, at the next carrier, that
// too.
func TestUnderlayForeignMACs(t *testing.T) {
	node := nodes(t)[0]
	sideLAN(t, "strict", node, "eth8", sideNode+"/24")
	hostOn(t, "strict", "sidehost", 0, sideHost+"/24")
	inNode(t, node, "ip", "route", "add", "203.0.113.0/24", "via", sideHost) // the next hop that is asked
	port := node + "-eth8"
	inNode(t, "strict", "nft", fmt.Sprintf(`table netdev strict { chain in { type filter hook ingress device "%s" priority 0; ether saddr != %s drop; }; }`,
		port, macOf(t, machineNetns(t, node), "eth8")))
	apply(t, providerYAML("strict", "defaultInterface: eth8", onNode(node)))
	awaitPhase(t, "strict", node, "Ready", "")
	awaitCondition(t, "strict", node, "ForeignMACsBlocked", "True")
	t.Log(event(t, "default", "strict."+node, "allow several MACs"))

	inNode(t, "strict", "nft", "delete", "table", "netdev", "strict")
	inNode(t, "strict", "ip", "link", "set", port, "down")
	eventually(t, 30*time.Second, "the carrier is missed", func() error {
		out, err := tryKubectl("get", "provider-network-node", "strict."+node, "-o", "jsonpath={.status.interfaces[0].carrier}")
		if err == nil && out == "true" {
			err = errors.New("it is there")
		}
		return err
	})
	inNode(t, "strict", "ip", "link", "set", port, "up")
	awaitCondition(t, "strict", node, "ForeignMACsBlocked", "False")
	awaitPhase(t, "strict", node, "Ready", "")
}

// awaitCondition waits for one of the conditions of a node's part.
func awaitCondition(t testing.TB, provider, node, kind, status string) {
	t.Helper()
	eventually(t, time.Minute, fmt.Sprintf("%s.%s: %s=%s", provider, node, kind, status), func() error {
		part, err := partOf(provider, node)
		if err == nil && !slices.ContainsFunc(part.Conditions, func(c partCondition) bool { return c.Type == kind && c.Status == status }) {
			err = fmt.Errorf("it has %v", part.Conditions)
		}
		return err
	})
}
