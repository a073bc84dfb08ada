package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// service is what a test needs of a Service.
type service struct {
	Spec struct {
		ClusterIPs []string `json:"clusterIPs"`
		Ports      []struct {
			NodePort int `json:"nodePort"`
		} `json:"ports"`
	} `json:"spec"`
}

// doors are all addresses by which a pod may come to a Service: its own, and its
// port on each worker.
func doors(t *testing.T, namespace, name string) []string {
	t.Helper()
	var found service
	if err := json.Unmarshal([]byte(kubectl(t, "-n", namespace, "get", "service", name, "-o", "json")), &found); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, address := range found.Spec.ClusterIPs {
		out = append(out, net.JoinHostPort(address, "80"))
	}
	for _, node := range nodes(t) {
		address := kubectl(t, "get", "node", node, "-o", `jsonpath={.status.addresses[?(@.type=="InternalIP")].address}`)
		for _, one := range strings.Fields(address) {
			out = append(out, net.JoinHostPort(one, fmt.Sprint(found.Spec.Ports[0].NodePort)))
		}
	}
	return out
}

// TestServiceOfAPrivateSubnet: who may not enter a private subnet may not enter
// it by a Service either, of whichever node, though kube-proxy sends the packet
// on in the node's name.
func TestServiceOfAPrivateSubnet(t *testing.T) {
	node, other := nodes(t)[0], nodes(t)[1]
	apply(t, documents(
		namespaceYAML("shut"), subnetYAML("shut", inFamilies(t, "10.76.0.0/24", "fd00:76::/120"), "shut", "private: true",
			`allowSubnets: ["10.77.0.0/24", "fd00:77::/120"]`),
		namespaceYAML("guest"), subnetYAML("guest", inFamilies(t, "10.77.0.0/24", "fd00:77::/120"), "guest"),
		namespaceYAML("passer"), subnetYAML("passer", inFamilies(t, "10.78.0.0/24", "fd00:78::/120"), "passer", "natOutgoing: true"),
		podYAML("shut", "shut-a", node, nil), podYAML("shut", "shut-b", other, nil),
		podYAML("guest", "guest", node, nil), podYAML("passer", "passer", node, nil),
		"apiVersion: v1\nkind: Service\nmetadata: {name: shut, namespace: shut}\n"+
			"spec: {type: NodePort, ipFamilyPolicy: PreferDualStack, selector: {of: shut}, ports: [{port: 80, targetPort: 8080}]}\n"))
	waitReady(t, "shut", "shut-a", "shut-b")
	waitReady(t, "guest", "guest")
	waitReady(t, "passer", "passer")
	kubectl(t, "-n", "shut", "label", "pod", "shut-a", "of=shut")
	ways := doors(t, "shut", "shut")
	atOnce(t, "private", ways, func(t *testing.T, way string) {
		for _, friend := range []string{"guest/guest", "shut/shut-b"} {
			eventually(t, 20*time.Second, friend+" enters by "+way, func() error { return enter(friend, way) })
		}
		if err := enter("passer/passer", way); err == nil {
			t.Errorf("passer enters by %s", way)
		}
	})
	inNode(t, other, "curl", "-sS", "-g", "--max-time", "5", "http://"+ways[0]+"/hostname")
	kubectl(t, "patch", "subnet", "shut", "--type=merge", "-p", `{"spec":{"private":false}}`)
	atOnce(t, "open", ways, func(t *testing.T, way string) {
		eventually(t, 20*time.Second, "the control: when the subnet is open, passer enters by "+way, func() error { return enter("passer/passer", way) })
	})
}

// atOnce checks all ways beside each other, each as a test of its name: one that is
// shut takes as long as its time limit.
func atOnce(t *testing.T, name string, ways []string, check func(t *testing.T, way string)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		for _, way := range ways {
			t.Run(way, func(t *testing.T) {
				t.Parallel()
				check(t, way)
			})
		}
	})
}

// enter asks the HTTP server behind an address, once, from inside a pod.
func enter(pod, address string) error {
	namespace, name, _ := strings.Cut(pod, "/")
	_, err := tryKubectl("-n", namespace, "exec", name, "--", "curl", "-sS", "-g", "--max-time", "2", "http://"+address+"/hostname")
	return err
}
