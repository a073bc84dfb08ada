package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"hawser/test/netnstest"
	"hawser/test/traffic"
)

// BenchmarkUnderlay is BenchmarkUplink on a node of the sandbox that is up, with
// all that a cluster puts between pod and wire: provider networks on the node's
// only NIC, which is shared, and on a second one, which is a plain port, and a
// physical host that both pods reach. Its datapath is the sandbox's, usually that
// of userspace; the kernel's is measured by test/vm/node.
func BenchmarkUnderlay(b *testing.B) {
	node := fmt.Sprintf("/proc/%d/ns/net", machinePID(b, cniNode))
	host := physicalHost(b)
	attachments(b, node, host)
	sandboxRun(b, "", "nic", "add", cniNode, "eth1", "--lan", underlayLAN)
	b.Cleanup(func() { sandboxRun(b, "", "nic", "remove", cniNode, "eth1") })
	plain := underlayPod(b, "benchplain", "{defaultInterface: eth1, attachment: Port, nodeSelector: {matchLabels: {kubernetes.io/hostname: "+cniNode+"}}}", host, "192.0.2")
	shared := underlayPod(b, "benchshared", sharedNIC, host, "198.18.0")
	traffic.Report(b, "", 200*time.Millisecond, plain, shared)
	b.ReportMetric(0, "ns/op")
}

const (
	underlayLAN  = "underlay"
	benchHost    = "benchhost"
	benchAddress = "172.30.0.70" // on the nodes' network, where the LAN has .1 to .60
	nodeAddress  = "172.30.0.11" // of cniNode
	sharedNIC    = "{defaultInterface: eth0, attachment: Shared, nodeSelector: {matchLabels: {kubernetes.io/hostname: " + cniNode + "}}}"
)

// physicalHost stands a machine on the nodes' LAN that is the gateway of both
// pods as well, and gives its network namespace.
func physicalHost(b *testing.B) string {
	b.Helper()
	sandboxRun(b, "", "host", "add", benchHost, "--lan", underlayLAN, "--address", benchAddress+"/24,192.0.2.1/24,198.18.0.1/24")
	b.Cleanup(func() { sandboxRun(b, "", "host", "remove", benchHost) })
	return fmt.Sprintf("/proc/%d/ns/net", machinePID(b, benchHost))
}

// attachments attaches the node's NIC and lets it go, three times, while node and
// physical host ping each other. The time is that which a user sees: from before
// `kubectl create` until after `kubectl wait`.
func attachments(b *testing.B, node, host string) {
	b.Helper()
	const interval = 5 * time.Millisecond
	pings := []*netnstest.Pings{
		netnstest.PingFrom(b, node, benchAddress, interval), netnstest.PingFrom(b, host, nodeAddress, interval),
	}
	var attached, detached []float64
	for range 3 {
		time.Sleep(3 * time.Second)
		attached = append(attached, provide(b, "benchtimes", sharedNIC).Seconds())
		time.Sleep(3 * time.Second)
		begun := time.Now()
		sandboxRun(b, "", "kubectl", "--", "delete", "provider-network", "benchtimes", "--timeout=60s")
		detached = append(detached, time.Since(begun).Seconds())
	}
	time.Sleep(5 * time.Second)
	traffic.Lost(b, pings...)
	b.ReportMetric(traffic.Median(attached), "attach-s")
	b.ReportMetric(traffic.Median(detached), "detach-s")
}

// provide makes a provider network and waits until its node is ready.
func provide(b *testing.B, name, spec string) time.Duration {
	b.Helper()
	begun := time.Now()
	create(b, "kubeovn.io/v1", "ProviderNetwork", name, spec)
	sandboxRun(b, "", "kubectl", "--", "wait", "provider-network", name, "--for=jsonpath={.status.nodes.ready}=1", "--timeout=60s")
	return time.Since(begun)
}

// create makes an object, in the namespace of its name if its kind is in one.
func create(b *testing.B, api, kind, name, spec string) {
	b.Helper()
	object := fmt.Sprintf("apiVersion: %s\nkind: %s\nmetadata: {name: %s}\nspec: %s\n", api, kind, name, spec)
	sandboxRun(b, object, "kubectl", "--", "-n", name, "create", "-f", "-")
}

// underlayPod starts a pod on the untagged VLAN of a provider network of its own,
// in a /24 whose first address the physical host has, and gives its way there.
func underlayPod(b *testing.B, name, provider, host, network string) traffic.Path {
	b.Helper()
	b.Cleanup(func() {
		for _, object := range []string{"namespace", "subnet", "vlan", "provider-network"} {
			sandboxRun(b, "", "kubectl", "--", "delete", object, name, "--timeout=120s")
		}
	})
	sandboxRun(b, "", "kubectl", "--", "create", "namespace", name)
	provide(b, name, provider)
	create(b, "kubeovn.io/v1", "Vlan", name, "{id: 0, provider: "+name+"}")
	create(b, "kubeovn.io/v1", "Subnet", name, fmt.Sprintf("{vlan: %s, namespaces: [%s], cidrBlock: %s.0/24, gateway: %s.1}", name, name, network, network))
	sandboxRun(b, "", "kubectl", "--", "wait", "subnet", name, "--for=condition=Ready", "--timeout=60s")
	create(b, "v1", "Pod", name, "{nodeName: "+cniNode+", terminationGracePeriodSeconds: 0, containers: [{name: c, image: 'registry.k8s.io/pause:3.10.2'}]}")
	sandboxRun(b, "", "kubectl", "--", "-n", name, "wait", "pod", name, "--for=condition=Ready", "--timeout=120s")
	address := sandboxRun(b, "", "kubectl", "--", "-n", name, "get", "pod", name, "-o", "jsonpath={.status.podIP}")
	return traffic.Path{From: traffic.End{NetNS: podNetNS(b, name), Address: address}, To: traffic.End{NetNS: host, Address: network + ".1"}}
}

// podNetNS is the network namespace of a pod: this machine sees the processes of
// all nodes, and a container's HOSTNAME is its pod's name.
func podNetNS(b *testing.B, pod string) string {
	b.Helper()
	processes, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, environ := range processes {
		text, err := os.ReadFile(environ)
		if err == nil && bytes.Contains(append([]byte{0}, text...), []byte("\x00HOSTNAME="+pod+"\x00")) {
			return filepath.Join(filepath.Dir(environ), "ns/net")
		}
	}
	b.Fatalf("no process of pod %s on this machine", pod)
	return ""
}
