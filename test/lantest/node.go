package lantest

import (
	"strings"
	"testing"

	"hawser/test/netnstest"
	"hawser/test/ovntest"
)

// Bridge is the bridge of a Node.
const Bridge = "br-lan"

// Node is a machine with a real Open vSwitch, of the userspace datapath.
type Node struct {
	NS     *netnstest.Namespace // nil is the test's own
	DB     *ovntest.Database
	Daemon *ovntest.Daemon
	t      testing.TB
}

// NewNode starts one in a namespace, nil for the test's own, with no bridge yet.
func NewNode(t testing.TB, in *netnstest.Namespace) *Node {
	t.Helper()
	path := ""
	if in != nil {
		path = in.Path()
	}
	db := ovntest.VSwitch(t)
	return &Node{NS: in, DB: db, Daemon: ovntest.VSwitchd(t, db, path), t: t}
}

// Add makes devices ports of the node's bridge, as an administrator would.
func (n *Node) Add(devices ...string) {
	n.t.Helper()
	args := []string{"--may-exist", "add-br", Bridge, "--", "set", "Bridge", Bridge, "datapath_type=netdev"}
	for _, device := range devices {
		args = append(args, "--", "add-port", Bridge, device)
	}
	n.DB.VSCtl(args...)
	n.Daemon.Sync()
}

// Protect has ports exchange no frames with each other.
func (n *Node) Protect(ports ...string) {
	n.t.Helper()
	for _, port := range ports {
		n.DB.VSCtl("set", "Port", port, "protected=true")
	}
	n.Daemon.Sync()
}

// Pod makes a pod with an address, whose end on the node is given a name.
func (n *Node) Pod(device, address string) *netnstest.Namespace {
	n.t.Helper()
	pod := netnstest.New(n.t)
	IP(n.t, n.NS, "link add %s type veth peer name eth0 netns %s", device, pod.Path())
	IP(n.t, n.NS, "link set %s addrgenmode none up", device)
	pod.IP("link set eth0 addrgenmode none up")
	if strings.Contains(address, "/") {
		pod.IP("addr add %s dev eth0", address)
	}
	return pod
}
