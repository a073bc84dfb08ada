package e2e

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// inFamilies is what a cluster of its address families has of a pair of CIDRs.
func inFamilies(t *testing.T, v4, v6 string) string {
	t.Helper()
	switch kubectl(t, "get", "subnet", "ovn-default", "-o", "jsonpath={.spec.protocol}") {
	case "IPv4":
		return v4
	case "IPv6":
		return v6
	}
	return v4 + "," + v6
}

// twoTenants makes two namespaces with a subnet each, of all the cluster's
// families, and a pod of each namespace on the first two workers, and waits
// until they are Ready.
func twoTenants(t *testing.T, name string, net int) (pods []placed) {
	t.Helper()
	workers := nodes(t)
	var parts []string
	for tenant := range 2 {
		namespace := fmt.Sprintf("%s-%d", name, tenant)
		cidr := inFamilies(t, fmt.Sprintf("10.%d.0.0/24", net+tenant), fmt.Sprintf("fd00:%d::/120", net+tenant))
		parts = append(parts, namespaceYAML(namespace), subnetYAML(namespace, cidr, namespace, "natOutgoing: true"))
	}
	for tenant := range 2 {
		namespace := fmt.Sprintf("%s-%d", name, tenant)
		for _, node := range workers[:2] {
			pod := placed{namespace: namespace, name: fmt.Sprintf("%s-%s", namespace, node), node: node}
			parts = append(parts, podYAML(namespace, pod.name, node, nil))
			pods = append(pods, pod)
		}
	}
	apply(t, documents(parts...))
	for i := range pods {
		waitReady(t, pods[i].namespace, pods[i].name)
		pods[i].ips = podIPs(t, pods[i].namespace, pods[i].name)
	}
	return pods
}

// placed is a pod, where it runs and its addresses.
type placed struct {
	namespace, name, node string
	ips                   []string
}

// fetch asks a pod's or node's HTTP server from inside another pod.
func (p placed) fetch(address, port, path string) (string, error) {
	return tryKubectl("-n", p.namespace, "exec", p.name, "--", "curl", "-sS", "-g", "--max-time", "5", "--retry", "2", "--retry-connrefused",
		fmt.Sprintf("http://%s%s", net.JoinHostPort(address, port), path))
}

// TestReachability: pods reach pods of the same and of the other node and
// subnet, in every family, with their own address.
func TestReachability(t *testing.T) {
	pods := twoTenants(t, "reach", 40)
	for _, from := range pods {
		for _, to := range pods {
			for i, address := range to.ips {
				seen, err := from.fetch(address, "8080", "/clientip")
				if err != nil {
					t.Errorf("%s → %s (%s): %v", from.name, to.name, address, err)
					continue
				}
				if host, _, _ := net.SplitHostPort(strings.TrimSpace(seen)); host != from.ips[i] {
					t.Errorf("%s → %s (%s): seen as %s, want %s", from.name, to.name, address, host, from.ips[i])
				}
			}
		}
	}
}

// TestClusterServices: every pod reaches DNS and the API server by their
// Service, and nodes reach pods.
func TestClusterServices(t *testing.T) {
	const apiServer = "kubernetes.default.svc.cluster.local"
	pods := twoTenants(t, "services", 42)
	for _, pod := range pods {
		if out, err := tryKubectl("-n", pod.namespace, "exec", pod.name, "--", "dig", "+short", "+time=2", "+tries=2", apiServer, "A", apiServer, "AAAA"); err != nil || strings.TrimSpace(out) == "" {
			t.Errorf("%s: DNS: %q %v", pod.name, out, err)
		}
		if out, err := tryKubectl("-n", pod.namespace, "exec", pod.name, "--", "curl", "-sSk", "--max-time", "5", "https://kubernetes.default.svc/readyz"); err != nil || !strings.Contains(out, "ok") && !strings.Contains(out, "orbidden") && !strings.Contains(out, "nauthorized") {
			t.Errorf("%s: API server by its Service: %q %v", pod.name, out, err)
		}
		for _, node := range nodes(t) {
			for _, address := range pod.ips {
				inNode(t, node, "curl", "-sS", "-g", "--max-time", "5", fmt.Sprintf("http://%s/hostname", net.JoinHostPort(address, "8080")))
			}
		}
	}
}

// TestNoLossIsMeasured is the control: traffic through an untouched fabric
// loses nothing, and a carrier lost for 20 ms is seen.
func TestNoLossIsMeasured(t *testing.T) {
	pods := twoTenants(t, "control", 44)
	a, b := pods[0], pods[1]
	if seen := underTraffic(t, a.name, b.name, a.ips[0], b.ips[0], func() {}); seen.Lost > 0 {
		t.Errorf("an undisturbed fabric: %v", seen)
	}
	seen := underTraffic(t, a.name, b.name, a.ips[0], b.ips[0], func() { cutCarrier(t, a.node, a.name, 20*time.Millisecond) })
	if seen.Lost == 0 {
		t.Error("the control: a carrier lost for 20 ms was not seen as loss")
	}
}
