package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// underlayNet is a provider network on the nodes' only NIC with two VLANs: the
// untagged one, which is the nodes' own network, and 100; on each a physical
// host and, on each of two nodes, a pod.
//
//	wire  ┬──── n1, n2 ──── pods flat-n1, flat-n2 (untagged), red-n1, red-n2 (VLAN 100)
//	      ├──── flathost 172.30.0.60
//	      └─100─ redhost 192.168.100.1, VLAN 100's gateway to the nodes' network
type underlayNet struct{ flat, red []placed }

const (
	flatHost4, flatHost6 = "172.30.0.60", "fd00:30::60"
	redHost4, redHost6   = "192.168.100.1", "fd00:192:100::1"
)

func newUnderlayNet(t *testing.T, name string) underlayNet {
	t.Helper()
	host(t, "flathost", 0, flatHost4+"/24", flatHost6+"/64")
	redRouter(t)
	sharedNIC(t, name)
	flat, red := name+"-flat", name+"-red"
	apply(t, documents(
		vlanYAML(flat, 0, name), vlanYAML(red, 100, name), namespaceYAML(flat), namespaceYAML(red), flatSubnetYAML(t, flat),
		subnetYAML(red, inFamilies(t, "192.168.100.0/24", "fd00:192:100::/64"), red, "vlan: "+red, "gateway: "+inFamilies(t, redHost4, redHost6))))
	u := underlayNet{}
	for _, node := range nodes(t)[:2] {
		u.flat = append(u.flat, startPod(t, flat, "flat-"+node, node))
		u.red = append(u.red, startPod(t, red, "red-"+node, node))
	}
	return u
}

// flatSubnetYAML is a subnet of the nodes' own network, in the Vlan and for the
// namespace of its name.
func flatSubnetYAML(t *testing.T, name string) string {
	t.Helper()
	return subnetYAML(name, inFamilies(t, "172.30.0.0/24", "fd00:30::/64"), name, "vlan: "+name,
		"gateway: "+inFamilies(t, "172.30.0.1", "fd00:30::1"), "excludeIps: ["+inFamilies(t, "172.30.0.1..172.30.0.199", "fd00:30::1..fd00:30::fff")+"]")
}

// redRouter stands the router between VLAN 100 and the nodes' network, as a
// data centre has one: kubelet probes pods by it.
func redRouter(t testing.TB) {
	t.Helper()
	const side4, side6 = "172.30.0.61", "fd00:30::61"
	lab(t, "router", "add", "redhost", "--lan", "underlay:100="+redHost4+"/24,"+redHost6+"/64", "--lan", "underlay="+side4+"/24,"+side6+"/64")
	t.Cleanup(func() { lab(t, "router", "remove", "redhost") })
	// The nodes' default gateway, which is the LAN's namespace, knows the way.
	inNode(t, underlayLAN, "sh", "-c", "ip route replace 192.168.100.0/24 via "+side4+"; ip -6 route replace fd00:192:100::/64 via "+side6)
	t.Cleanup(func() {
		inNode(t, underlayLAN, "sh", "-c", "ip route del 192.168.100.0/24; ip -6 route del fd00:192:100::/64")
	})
}

// startPod makes a pod and waits for it.
func startPod(t testing.TB, namespace, name, node string) placed {
	t.Helper()
	return started(t, placed{namespace: namespace, name: name, node: node}, podYAML(namespace, name, node, nil))
}

func started(t testing.TB, pod placed, manifest string) placed {
	t.Helper()
	apply(t, manifest)
	waitReady(t, pod.namespace, pod.name)
	pod.ips = podIPs(t, pod.namespace, pod.name)
	return pod
}

// unprobed is a pod that kubelet does not probe: its node has no way to it.
func unprobed(pod string) string {
	return strings.Replace(pod, "readinessProbe: {httpGet: {path: /hostname, port: 8080}, periodSeconds: 1}", "", 1)
}

// hostOf is the physical host's address of the same family as another.
func hostOf(address, four, six string) string {
	if net.ParseIP(address).To4() != nil {
		return four
	}
	return six
}

// wire captures frames at a node's port of the nodes' LAN while something is done.
func wire(t testing.TB, port, filter string, do func()) string {
	t.Helper()
	return wireOf(t, underlayLAN, port, filter, do)
}

// wireOf captures frames at a port of a LAN while something is done, and returns
// what tcpdump printed of them, link layer included. Without the immediate mode the
// kernel hands frames on by the second, and an end comes before the last of them.
func wireOf(t testing.TB, lan, port, filter string, do func()) string {
	t.Helper()
	file := "/tmp/wire-" + port
	capture := exec.Command(sandbox(), "exec", lan, "--", "timeout", "120", "tcpdump", "-neU", "--immediate-mode", "-B", "8192", "-i", port, "-w", file, filter)
	var said strings.Builder
	capture.Stderr = &said
	if err := capture.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, "tcpdump listens", func() error {
		_, err := run("", "exec", lan, "--", "test", "-s", file)
		return err
	})
	do()
	time.Sleep(500 * time.Millisecond) // what was sent last is on its way to the file
	inNode(t, lan, "pkill", "-INT", "-f", "tcpdump -neU .* -i "+port)
	_ = capture.Wait() // timeout passes the signal on as a failure
	out := inNode(t, lan, "sh", "-c", "tcpdump -ner "+file+" 2>/dev/null; rm "+file)
	if out == "" {
		t.Logf("tcpdump said %s", said.String())
	}
	return out
}

// TestUnderlayReachability: pods untagged and on a VLAN reach a physical host
// with their own address, it reaches them, and they reach each other; all of it
// on the wire, with the VLAN's tag and not in a tunnel.
func TestUnderlayReachability(t *testing.T) {
	u := newUnderlayNet(t, "phys")
	defer learnsNothing(t, "phys-flat", "phys-red")
	for _, network := range []struct {
		pods      []placed
		host      string
		four, six string
		tagged    bool
	}{
		{u.flat, "flathost", flatHost4, flatHost6, false},
		{u.red, "redhost", redHost4, redHost6, true},
	} {
		a, b := network.pods[0], network.pods[1]
		for _, pod := range network.pods {
			oneAnswer(t, network.host, pod)
		}
		for i, address := range a.ips {
			far := hostOf(address, network.four, network.six)
			filter := fmt.Sprintf("host %s or udp port 6081 or (vlan and host %s)", address, address)
			seen := wire(t, a.node, filter, func() {
				ownAddress(t, a, far, "80", i)
				ownAddress(t, a, b.ips[i], "8080", i)
				inNode(t, network.host, "curl", "-sS", "-g", "--max-time", "5", "http://"+net.JoinHostPort(address, "8080")+"/hostname")
			})
			for _, peer := range []string{far, b.ips[i]} {
				frames := linesWith(seen, address, peer)
				if len(frames) == 0 {
					t.Errorf("%s ↔ %s: not seen on the wire of %s, but:\n%.2000s", address, peer, a.node, seen)
				}
				for _, frame := range frames {
					if strings.Contains(frame, "vlan 100") != network.tagged || strings.Contains(frame, "Geneve") {
						t.Errorf("%s ↔ %s: on the wire as %s", address, peer, frame)
					}
				}
			}
		}
	}
}

// learnsNothing looks whether OVN's router, which nobody spoke to, has learned any
// address of underlay subnets: from ARP or neighbour advertisements for everybody.
func learnsNothing(t testing.TB, subnets ...string) {
	t.Helper()
	for _, subnet := range subnets {
		port := "logical_port=ovn-cluster-" + subnet
		if known := inCentral(t, "ovn-sbctl", "--no-leader-only", "--bare", "--columns=ip,mac", "find", "MAC_Binding", port); strings.TrimSpace(known) != "" {
			t.Errorf("the router has learned on %s, unasked:\n%s", subnet, known)
		}
	}
}

// oneAnswer asks the wire who has a pod's address: the pod answers, and no other
// node on its behalf, from whose port a switch would learn the pod's MAC.
func oneAnswer(t testing.TB, host string, pod placed) {
	t.Helper()
	for _, address := range pod.ips {
		if net.ParseIP(address).To4() == nil {
			continue
		}
		out := inNode(t, host, "sh", "-c", "arping -c 3 -w 4 -I eth0 "+address+" || true")
		if replies := strings.Count(out, "eply from"); replies != 3 {
			t.Errorf("%d answers to 3 requests for %s:\n%s", replies, address, out)
		}
	}
}

// ownAddress asks an HTTP server who we are: nothing may translate us.
func ownAddress(t testing.TB, from placed, to, port string, family int) {
	t.Helper()
	seen, err := from.fetch(to, port, "/clientip")
	if err != nil {
		t.Errorf("%s → %s: %v", from.name, to, err)
		return
	}
	if host, _, _ := net.SplitHostPort(strings.TrimSpace(seen)); host != from.ips[family] {
		t.Errorf("%s → %s: seen as %s, want %s", from.name, to, seen, from.ips[family])
	}
}

// linesWith are the lines of a text that hold all words.
func linesWith(text string, words ...string) []string {
	var lines []string
next:
	for line := range strings.Lines(text) {
		for _, word := range words {
			if !strings.Contains(line, word) {
				continue next
			}
		}
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

// TestUnderlayServices: underlay pods reach the cluster's DNS, ClusterIPs and
// their own node, and no ClusterIP is ever on the wire.
func TestUnderlayServices(t *testing.T) {
	const apiServer = "kubernetes.default.svc.cluster.local"
	u := newUnderlayNet(t, "serve")
	for _, pods := range [][]placed{u.flat, u.red} {
		pod := pods[0]
		seen := wire(t, pod.node, "net 10.96.0.0/16 or (vlan and net 10.96.0.0/16)", func() {
			if out, err := tryKubectl("-n", pod.namespace, "exec", pod.name, "--", "dig", "+short", "+time=2", "+tries=3", apiServer, "A"); err != nil || strings.TrimSpace(out) == "" {
				t.Errorf("%s: DNS: %q %v", pod.name, out, err)
			}
			if out, err := tryKubectl("-n", pod.namespace, "exec", pod.name, "--", "curl", "-sSk", "--max-time", "5", "https://kubernetes.default.svc/readyz"); err != nil || out == "" {
				t.Errorf("%s: API server by its Service: %q %v", pod.name, out, err)
			}
			if out, err := tryKubectl("-n", pod.namespace, "exec", pod.name, "--", "curl", "-sSk", "--max-time", "5", "https://"+address(t, pod.node)+":10250/healthz"); err != nil || out == "" {
				t.Errorf("%s: kubelet of its own node: %q %v", pod.name, out, err)
			}
		})
		if seen != "" {
			t.Errorf("%s: ClusterIPs are on the wire:\n%s", pod.name, seen)
		}
	}
}

// inPodNet runs a program of the node in a pod's network.
func inPodNet(t testing.TB, pod placed, command ...string) (string, error) {
	t.Helper()
	status, err := os.ReadFile(filepath.Join(filepath.Dir(filepath.Dir(netnsOf(t, pod.name))), "status"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		// The process' numbers, from this machine's view to its own; the second
		// is the node's.
		if fields := strings.Fields(line); len(fields) > 2 && fields[0] == "NSpid:" {
			return run("", append([]string{"exec", pod.node, "--", "nsenter", "--target", fields[2], "--net", "--"}, command...)...)
		}
	}
	t.Fatalf("pod %s has no process number on %s", pod.name, pod.node)
	return "", nil
}

// TestUnderlayDHCP: pods of a subnet without addresses get theirs from the
// physical network's DHCP server, and speak with them.
func TestUnderlayDHCP(t *testing.T) {
	host(t, "dhcphost", 200, "192.168.200.1/24")
	inNode(t, "dhcphost", "dnsmasq", "--interface=eth0", "--dhcp-range=192.168.200.50,192.168.200.99,10m", "--port=0", "--dhcp-authoritative", "--pid-file=/run/dnsmasq.pid")
	sharedNIC(t, "dhcp")
	apply(t, documents(vlanYAML("dhcp", 200, "dhcp"), namespaceYAML("dhcp"),
		"apiVersion: kubeovn.io/v1\nkind: Subnet\nmetadata: {name: dhcp}\nspec: {vlan: dhcp, namespaces: [dhcp]}\n"))
	node := nodes(t)[0]
	pod := started(t, placed{namespace: "dhcp", name: "client", node: node}, unprobed(podYAML("dhcp", "client", node, nil)))
	const script = `cat > /tmp/bound.sh <<'END'
#!/bin/sh
[ "$1" != bound ] || { ip address replace $ip/$mask dev $interface && echo "bound to $ip"; }
END
chmod +x /tmp/bound.sh
busybox udhcpc -i eth0 -n -q -f -s /tmp/bound.sh 2>&1`
	out, err := inPodNet(t, pod, "sh", "-c", script)
	if err != nil || !strings.Contains(out, "bound to 192.168.200.") {
		t.Fatalf("DHCP client: %v\n%s", err, out)
	}
	if out, err := inPodNet(t, pod, "curl", "-sS", "--max-time", "5", "http://192.168.200.1/hostname"); err != nil || out != "dhcphost" {
		t.Errorf("the pod → the DHCP server's host: %q %v", out, err)
	}
}
