package e2e

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// annotation reads one of a pod's ovn.kubernetes.io annotations.
func annotation(t testing.TB, namespace, pod, key string) string {
	t.Helper()
	path := fmt.Sprintf("jsonpath={.metadata.annotations.ovn\\.kubernetes\\.io/%s}", key)
	return kubectl(t, "-n", namespace, "get", "pod", pod, "-o", path)
}

// TestStaticAddress: address, MAC and route asked for by annotation are on the
// interface, the first two in the annotations and in the IP object.
func TestStaticAddress(t *testing.T) {
	const ips, mac = "10.46.0.50,fd00:46::50", "0a:00:00:46:00:50"
	apply(t, documents(namespaceYAML("static"), subnetYAML("static", "10.46.0.0/24,fd00:46::/120", "static"),
		podYAML("static", "fixed", nodes(t)[0], map[string]string{"ovn.kubernetes.io/ip_address": ips, "ovn.kubernetes.io/mac_address": mac,
			"ovn.kubernetes.io/routes": `[{"dst":"192.0.2.0/24","gw":"10.46.0.9"}]`})))
	waitReady(t, "static", "fixed")
	if got := strings.Join(podIPs(t, "static", "fixed"), ","); got != ips {
		t.Errorf("status.podIPs: %s, want %s", got, ips)
	}
	if got := annotation(t, "static", "fixed", "mac_address"); got != mac {
		t.Errorf("annotation mac_address: %s, want %s", got, mac)
	}
	if got := kubectl(t, "get", "ip", "fixed.static", "-o", "jsonpath={.spec.v4IpAddress} {.spec.v6IpAddress} {.spec.macAddress} {.spec.subnet}"); got != "10.46.0.50 fd00:46::50 "+mac+" static" {
		t.Errorf("IP object: %s", got)
	}
	if link := kubectl(t, "-n", "static", "exec", "fixed", "--", "ip", "link", "show", "eth0"); !strings.Contains(link, mac) {
		t.Errorf("eth0 carries another MAC:\n%s", link)
	}
	if routes := kubectl(t, "-n", "static", "exec", "fixed", "--", "ip", "route"); !strings.Contains(routes, "192.0.2.0/24 via 10.46.0.9 dev eth0") {
		t.Errorf("the route asked for is not there:\n%s", routes)
	}
}

// TestStatefulSetKeepsAddress: its pods come back with their addresses, on
// whichever node; scaling down gives them free.
func TestStatefulSetKeepsAddress(t *testing.T) {
	const namespace = "stateful"
	apply(t, documents(namespaceYAML(namespace), subnetYAML(namespace, "10.47.0.0/24,fd00:47::/120", namespace), `apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web, namespace: stateful}
spec:
  replicas: 2
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: agnhost, image: "registry.k8s.io/e2e-test-images/agnhost:2.63.0", args: [pause]}]
`))
	kubectl(t, "-n", namespace, "rollout", "status", "statefulset/web", "--timeout=120s")
	before := podIPs(t, namespace, "web-0")
	uid := kubectl(t, "-n", namespace, "get", "pod", "web-0", "-o", "jsonpath={.metadata.uid}")
	kubectl(t, "-n", namespace, "delete", "pod", "web-0", "--wait=false")
	eventually(t, time.Minute, "web-0 is another pod and Ready", func() error {
		now, err := tryKubectl("-n", namespace, "get", "pod", "web-0", "-o", "jsonpath={.metadata.uid}")
		if err != nil || now == uid {
			return fmt.Errorf("still the old pod (%v)", err)
		}
		return nil
	})
	waitReady(t, namespace, "web-0")
	if after := podIPs(t, namespace, "web-0"); strings.Join(after, ",") != strings.Join(before, ",") {
		t.Errorf("web-0 had %v and came back with %v", before, after)
	}
	kubectl(t, "-n", namespace, "scale", "statefulset/web", "--replicas=1")
	eventually(t, time.Minute, "web-1's address is free", func() error {
		out, err := tryKubectl("get", "ip", "web-1.stateful", "--ignore-not-found", "-o", "name")
		if err == nil && out != "" {
			err = fmt.Errorf("%s still there", out)
		}
		return err
	})
}

// TestPrivateSubnet: a private subnet is closed to pods of others, open to its
// own and to those that allowSubnets names.
func TestPrivateSubnet(t *testing.T) {
	node := nodes(t)[0]
	other := nodes(t)[1]
	apply(t, documents(
		namespaceYAML("closed"), subnetYAML("closed", "10.48.0.0/24,fd00:48::/120", "closed", "private: true", `allowSubnets: ["10.49.0.0/24", "fd00:49::/120"]`),
		namespaceYAML("friend"), subnetYAML("friend", "10.49.0.0/24,fd00:49::/120", "friend"),
		namespaceYAML("stranger"), subnetYAML("stranger", "10.50.0.0/24,fd00:50::/120", "stranger"),
		podYAML("closed", "closed-a", node, nil), podYAML("closed", "closed-b", other, nil),
		podYAML("friend", "friend", other, nil), podYAML("stranger", "stranger", other, nil)))
	waitReady(t, "closed", "closed-a", "closed-b")
	waitReady(t, "friend", "friend")
	waitReady(t, "stranger", "stranger")
	for _, address := range podIPs(t, "closed", "closed-a") {
		way := net.JoinHostPort(address, "8080")
		for _, friend := range []string{"closed/closed-b", "friend/friend"} {
			eventually(t, 20*time.Second, friend+" enters "+way, func() error { return enter(friend, way) })
		}
		if enter("stranger/stranger", way) == nil {
			t.Errorf("stranger enters %s", way)
		}
	}
}
