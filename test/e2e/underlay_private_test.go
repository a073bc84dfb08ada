package e2e

import (
	"net"
	"strings"
	"testing"
	"time"
)

// TestUnderlayPrivate: a private underlay subnet is closed to pods of the overlay,
// which come in the name of their node, by the wire as by a Service, and to hosts of
// other networks. Its own pods, its gateway and the nodes enter; and so do all once it
// is open.
func TestUnderlayPrivate(t *testing.T) {
	redRouter(t)
	sharedNIC(t, "shy")
	node, other := nodes(t)[0], nodes(t)[1]
	apply(t, documents(
		vlanYAML("shy", 100, "shy"), namespaceYAML("shy"),
		subnetYAML("shy", inFamilies(t, "192.168.100.0/24", "fd00:192:100::/64"), "shy", "vlan: shy", "gateway: "+inFamilies(t, redHost4, redHost6), "private: true"),
		namespaceYAML("loud"), subnetYAML("loud", inFamilies(t, "10.79.0.0/24", "fd00:79::/120"), "loud", "natOutgoing: true"),
		podYAML("shy", "shy-a", node, nil), podYAML("shy", "shy-b", other, nil), podYAML("loud", "loud", node, nil),
		"apiVersion: v1\nkind: Service\nmetadata: {name: shy, namespace: shy}\n"+
			"spec: {type: NodePort, ipFamilyPolicy: PreferDualStack, selector: {of: shy}, ports: [{port: 80, targetPort: 8080}]}\n"))
	waitReady(t, "shy", "shy-a", "shy-b") // by the probes of their nodes
	waitReady(t, "loud", "loud")
	kubectl(t, "-n", "shy", "label", "pod", "shy-a", "of=shy")
	ways := doors(t, "shy", "shy")
	var own []string
	for _, address := range podIPs(t, "shy", "shy-a") {
		own = append(own, net.JoinHostPort(address, "8080"))
	}
	outside := func(way string) error {
		_, err := run("", "exec", underlayLAN, "--", "curl", "-sS", "-g", "--max-time", "2", "http://"+way+"/hostname")
		return err
	}
	atOnce(t, "private", append(ways, own...), func(t *testing.T, way string) {
		eventually(t, 20*time.Second, "its own pod enters by "+way, func() error { return enter("shy/shy-b", way) })
		if enter("loud/loud", way) == nil {
			t.Errorf("a pod of the overlay enters by %s", way)
		}
	})
	for _, way := range own {
		for _, friend := range []string{other, "redhost"} {
			inNode(t, friend, "curl", "-sS", "-g", "--max-time", "5", "http://"+way+"/hostname")
		}
		if outside(way) == nil {
			t.Errorf("a host of another network enters by %s", way)
		}
	}
	if out, err := tryKubectl("-n", "shy", "exec", "shy-a", "--", "dig", "+short", "+time=2", "+tries=3", "kubernetes.default.svc.cluster.local"); err != nil || strings.TrimSpace(out) == "" {
		t.Errorf("DNS from a private subnet: %q %v", out, err)
	}
	kubectl(t, "patch", "subnet", "shy", "--type=merge", "-p", `{"spec":{"private":false}}`)
	atOnce(t, "open", append(ways, own...), func(t *testing.T, way string) {
		eventually(t, 20*time.Second, "the control: when the subnet is open, a pod of the overlay enters by "+way, func() error { return enter("loud/loud", way) })
	})
	for _, way := range own {
		eventually(t, 20*time.Second, "the control: a host of another network enters by "+way, func() error { return outside(way) })
	}
}
