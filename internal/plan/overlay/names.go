package overlay

import (
	"crypto/sha256"
	"strings"

	"hawser/internal/host"
	"hawser/internal/logical"
)

// NodesGroup is the port group of all nodes' ovn0, owned by the default VPC.
// OVN keeps its members' addresses as sets nodes_ip4 and nodes_ip6.
const NodesGroup = "nodes"

// PodPortName names a pod's port and its IP object.
func PodPortName(namespace, pod string) string { return pod + "." + namespace }

// NodePortName names the port of a node's ovn0 and its IP object.
func NodePortName(node string) string { return "node-" + node }

// NodeGroup names the port group of the pods on a node. OVN takes the name
// apart in expressions, where '-' is no letter.
func NodeGroup(node string) string { return "node." + strings.ReplaceAll(node, "-", ".") }

// RouterPortName names the router's port to a subnet.
func RouterPortName(vpc, subnet string) string { return vpc + "-" + subnet }

// switchPortName names the other end, the subnet's port to the router.
func switchPortName(vpc, subnet string) string { return subnet + "-" + vpc }

// RouterMAC derives the MAC of a router's port from its name, so that it stays
// the same for ever and is stored nowhere: locally administered, unicast.
func RouterMAC(vpc, subnet string) host.MAC {
	sum := sha256.Sum256([]byte(RouterPortName(vpc, subnet)))
	mac := host.MAC(sum[:6])
	mac[0] = mac[0]&^1 | 2
	return mac
}

// VpcOwner owns the rows of a Vpc.
func VpcOwner(name string) logical.Owner { return logical.Owner{Kind: "Vpc", Name: name} }

// SubnetOwner owns the rows of a Subnet.
func SubnetOwner(name string) logical.Owner { return logical.Owner{Kind: "Subnet", Name: name} }

// NodeOwner owns the rows of a Node.
func NodeOwner(name string) logical.Owner { return logical.Owner{Kind: "Node", Name: name} }

// PodOwner owns the rows of a Pod.
func PodOwner(namespace, name string) logical.Owner {
	return logical.Owner{Kind: "Pod", Namespace: namespace, Name: name}
}
