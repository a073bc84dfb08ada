package node

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	kubeovnv1 "hawser/api/v1"
)

const kubeconfig = "/in/kubeconfig"

// node is one of two: the machine itself, or namespaces in it.
type node struct {
	name, address string
	at            place
	folder        string // of its CNI configuration
}

var (
	first  = node{name: "first", address: firstAddress, at: here, folder: "/run/cni-first"}
	second = node{name: "second", address: secondAddress, at: place{"nsenter", "--net=/run/netns/second", "--mount=/run/mounts/second", "--"}, folder: "/run/cni-second"}
)

// api speaks to the API server that runs outside the machine.
func api(t testing.TB) client.Client {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	log.SetLogger(logr.Discard())
	scheme := runtime.NewScheme()
	_, _ = clientgoscheme.AddToScheme(scheme), kubeovnv1.AddToScheme(scheme)
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// cluster starts OVN's databases, northd and our controller outside, and Open
// vSwitch on the first node, for all tests. A NIC has to be there already.
func cluster(t testing.TB) {
	t.Helper()
	openVSwitch(t)
	once.cluster.Do(func() {
		background(t, "central", "ip", "netns", "exec", "outside", "env", "POD_IP="+outsideAddress, "OVN_DB_IPS="+outsideAddress, "bash", "/in/start-central.sh")
		for _, n := range []node{first, second} {
			register(t, n)
		}
		background(t, "controller", "ip", "netns", "exec", "outside", "env",
			"POD_NAMESPACE=kube-system", "POD_NAME=controller", "POD_IP="+outsideAddress, "POD_IPS="+outsideAddress, "OVN_DB_IPS="+outsideAddress,
			"/in/kube-ovn-controller", "--kubeconfig", kubeconfig, "--default-cidr", "10.16.0.0/16", "--node-switch-cidr", "100.64.0.0/16",
			"--service-cluster-ip-range", "10.96.0.0/16")
	})
}

// register makes the Node object that kubelet would.
func register(t testing.TB, n node) {
	t.Helper()
	object := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n.name, Labels: map[string]string{"kubernetes.io/hostname": n.name, "kubernetes.io/os": "linux"}}}
	c := api(t)
	if err := c.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	object.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: n.address}}
	if err := c.Status().Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}

// addNode makes the second node's namespaces, which stay, and its Open vSwitch.
func addNode(t testing.TB) {
	t.Helper()
	sh(t, `modprobe geneve
		ip netns add second
		mkdir -p /run/mounts /run/second/{ovs,ovn,db}
		mount --bind /run/mounts /run/mounts
		mount --make-private /run/mounts
		touch /run/mounts/second
		nsenter --net=/run/netns/second unshare --mount=/run/mounts/second --propagation=slave bash -euc '
			mount -t sysfs sysfs /sys
			mkdir -p /run/openvswitch /run/ovn /etc/openvswitch
			mount --bind /run/second/ovs /run/openvswitch
			mount --bind /run/second/ovn /run/ovn
			mount --bind /run/second/db /etc/openvswitch'
		ip link add eth0 netns second type veth peer name second netns outside
		ip -n outside link set second master br0 up
		ip -n second link set lo up
		ip -n second link set eth0 up
		ip -n second address add %s/24 dev eth0
		ip -n second route add default via %s`, secondAddress, outsideAddress)
	background(t, "ovs-second", append(second.at, "env", "OVN_DB_IPS="+outsideAddress, "KUBE_NODE_NAME=second", "OVS_DATAPATH=kernel", "bash", "/in/start-ovs.sh")...)
	await(t, "%s", second.at.on("ovs-appctl dpif/show"))
}

// agent runs a node's agent as long as the test, and waits until it is ready.
func agent(t testing.TB, n node) {
	t.Helper()
	sh(t, "mkdir -p %s", n.folder)
	daemon(t, "agent-"+n.name, append(n.at, "/in/kube-ovn-daemon", "--kubeconfig", kubeconfig, "--node-name", n.name,
		"--install-cni-config", "--cni-conf-dir", n.folder)...)
	ready(t, n)
}

func ready(t testing.TB, n node) {
	t.Helper()
	await(t, "%s", n.at.on("busybox wget -qO /dev/null http://127.0.0.1:10665/readyz"))
}

// pod is one that a test starts as kubelet and container runtime would.
type pod struct {
	node    node
	name    string
	address string
	took    time.Duration // ADD, from the plugin's start to its end
}

// netns is the path of the pod's network namespace.
func (p pod) netns() string { return "/run/netns/" + p.name }

// object makes the pod in the API, bound to its node.
func object(t testing.TB, n node, name string) {
	t.Helper()
	made := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec:       corev1.PodSpec{NodeName: n.name, Containers: []corev1.Container{{Name: "pause", Image: "pause"}}},
	}
	c := api(t)
	if err := c.Create(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Delete(context.Background(), made) })
}

// start calls ADD for a pod that stands in the API.
func start(t testing.TB, n node, name string) pod {
	t.Helper()
	sh(t, "ip netns add %s", name)
	t.Cleanup(func() { _, _ = try("ip netns del " + name) })
	var conf struct{ Plugins []json.RawMessage }
	text := n.conflist(t)
	if err := json.Unmarshal(text, &conf); err != nil {
		t.Fatal(err)
	}
	file := "/run/" + name + ".conf"
	var plugin map[string]any
	if err := json.Unmarshal(conf.Plugins[0], &plugin); err != nil {
		t.Fatal(err)
	}
	plugin["cniVersion"], plugin["name"] = "1.0.0", "kube-ovn"
	text, _ = json.Marshal(plugin)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	out := sh(t, "%s <%s", n.at.on(fmt.Sprintf("env CNI_COMMAND=ADD CNI_CONTAINERID=%.12x CNI_NETNS=/run/netns/%s CNI_IFNAME=eth0 CNI_PATH=/in 'CNI_ARGS=K8S_POD_NAMESPACE=default;K8S_POD_NAME=%s' /in/kube-ovn",
		sha256.Sum256([]byte(name)), name, name)), file)
	p := pod{node: n, name: name, took: time.Since(begun)}
	var result struct{ IPs []struct{ Address string } }
	if err := json.Unmarshal([]byte(out), &result); err != nil || len(result.IPs) == 0 {
		t.Fatalf("ADD of %s answered %s", name, out)
	}
	p.address, _, _ = strings.Cut(result.IPs[0].Address, "/")
	return p
}

func (n node) conflist(t testing.TB) []byte {
	t.Helper()
	await(t, "ls %s/*.conflist", n.folder)
	return []byte(sh(t, "cat %s/*.conflist", n.folder))
}
