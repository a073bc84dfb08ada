package node

import (
	"context"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

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
	c, err := connected()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var connected = sync.OnceValues(func() (client.Client, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	log.SetLogger(logr.Discard())
	scheme := runtime.NewScheme()
	_, _ = clientgoscheme.AddToScheme(scheme), kubeovnv1.AddToScheme(scheme)
	return client.New(config, client.Options{Scheme: scheme})
})

// cluster starts OVN's databases and northd outside, and Open vSwitch on the
// first node, for all tests. A NIC has to be there already.
func cluster(t testing.TB) {
	t.Helper()
	openVSwitch(t)
	once.cluster.Do(func() {
		background(t, "central", "ip", "netns", "exec", "outside", "env", "POD_IP="+outsideAddress, "OVN_DB_IPS="+outsideAddress, "bash", "/in/start-central.sh")
		register(t, first)
	})
}

// controller runs ours, outside, as long as the test.
func controller(t testing.TB) *service {
	t.Helper()
	return daemon(t, "controller", "ip", "netns", "exec", "outside", "env",
		"POD_NAMESPACE=kube-system", "POD_NAME=controller", "POD_IP="+outsideAddress, "POD_IPS="+outsideAddress, "OVN_DB_IPS="+outsideAddress,
		"/in/kube-ovn-controller", "--kubeconfig", kubeconfig, "--default-cidr", "10.16.0.0/16", "--node-switch-cidr", "100.64.0.0/16",
		"--service-cluster-ip-range", "10.96.0.0/16")
}

// uninstall does what the chart does before it is deleted: the controller ends,
// and every node lets go.
func uninstall(t testing.TB, controller *service) {
	t.Helper()
	controller.end(syscall.SIGTERM)
	out := sh(t, "env KUBECONFIG=%s POD_NAMESPACE=kube-system /in/kube-ovn-controller cleanup 2>&1", kubeconfig)
	if strings.Contains(out, "not every node") {
		t.Errorf("uninstalled:\n%s", out)
	}
}

// register makes the Node object that kubelet would, and says that it is ready.
func register(t testing.TB, n node) *corev1.Node {
	t.Helper()
	object := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n.name, Labels: map[string]string{"kubernetes.io/hostname": n.name, "kubernetes.io/os": "linux"}}}
	c := api(t)
	if err := c.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	object.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: n.address}}
	object.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Now()}}
	if err := c.Status().Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	return object
}

// addNode makes the second node's namespaces, which stay, and its Open vSwitch.
// It is no node of the cluster any more when the test ends.
func addNode(t testing.TB) {
	t.Helper()
	object := register(t, second)
	t.Cleanup(func() { _ = api(t).Delete(context.Background(), object) })
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
func agent(t testing.TB, n node, flags ...string) *service {
	t.Helper()
	sh(t, "mkdir -p %s", n.folder)
	own := daemon(t, "agent-"+n.name, slices.Concat(n.at, []string{"/in/kube-ovn-daemon", "--kubeconfig", kubeconfig, "--node-name", n.name,
		"--install-cni-config", "--cni-conf-dir", n.folder}, flags)...)
	ready(t, n)
	return own
}

func ready(t testing.TB, n node) {
	t.Helper()
	await(t, "%s", n.at.on("busybox wget -qO /dev/null http://127.0.0.1:10665/readyz"))
}
