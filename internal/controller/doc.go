// Package controller is the cluster's side of the fabric: a reconciler for each
// root kind (Vpc, Subnet, Node, Pod, IP, Namespace). Each gathers from the
// caches, plans with package plan/overlay, applies to OVN's northbound database
// and reports on the object that a user looks at.
//
//	pod.go ─┐
//	node.go ┼─▶ claims.go ─▶ claim.Book    who owns an address
//	ip.go  ─┘            └─▶ ipam.Registry which one is free
//	subnet.go, vpc.go, namespace.go, usage.go
//	leader.go: what happens, in which order, when a process becomes leader
//
// The package reaches the outside only through the Kubernetes client and the
// interfaces in edges.go; it imports no driver.
//
// # An address, from claim to port
//
// Every step can be the last one that a process makes. Each leaves a state from
// which any other process goes on:
//
//  1. registry: pick an address          memory only
//  2. create the IP object               the claim; visible to everyone
//  3. it comes back in the watch, won    see package claim
//  4. write the port                     refused by the database when another
//     process has become leader meanwhile (the fence)
//  5. one patch of the pod               the agent goes on
//
// and backwards: port, object, registry. An address is taken back into the
// registry only when its object has disappeared from the watch.
package controller
