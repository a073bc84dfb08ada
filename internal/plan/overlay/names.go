package overlay

import (
	"hawser/internal/host"
	"hawser/internal/logical"
)

// PodPortName names a pod's port and its IP object.
func PodPortName(namespace, pod string) string { return pod + "." + namespace }

// NodePortName names the port of a node's ovn0 and its IP object.
func NodePortName(node string) string { return "node-" + node }

// NodeGroup names the port group of the pods on a node.
func NodeGroup(node string) string { panic("skeleton") }

// RouterPortName names the router's port to a subnet.
func RouterPortName(vpc, subnet string) string { return vpc + "-" + subnet }

// RouterMAC derives the MAC of a router's port from its name, so that it stays
// the same for ever and is stored nowhere.
func RouterMAC(vpc, subnet string) host.MAC { panic("skeleton") }

// The owners of rows, one for each root kind.
func vpcOwner(name string) logical.Owner    { return logical.Owner{Kind: "Vpc", Name: name} }
func subnetOwner(name string) logical.Owner { return logical.Owner{Kind: "Subnet", Name: name} }
func nodeOwner(name string) logical.Owner   { return logical.Owner{Kind: "Node", Name: name} }
func podOwner(namespace, name string) logical.Owner {
	return logical.Owner{Kind: "Pod", Namespace: namespace, Name: name}
}
