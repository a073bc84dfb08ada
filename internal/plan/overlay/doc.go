// Package overlay plans the overlay network: it turns Vpc, Subnet, Node and
// Pod, one root at a time, into what OVN's northbound database shall hold.
//
//	Vpc ovn-cluster   router, default route to the join gateway, group "nodes"
//	Subnet            switch ─ port ─ router port, policy "allow inside", ACLs
//	Node              port node-<node> on switch join, group node.<node>,
//	                  policies "to this node" and "out through this node"
//	Pod               port <pod>.<ns>, member of its node's group
//
// No root's state grows with the number of pods or nodes: what relates to all
// nodes goes through port groups that each member joins by itself. A packet
// that leaves the overlay matches "from a member of node.<node>", priority
// 29000, on the node it starts from, and goes to that node's ovn0: the
// distributed gateway costs one policy for each node and family.
//
// The package also reads what users write: Parse, Choose and Wants turn specs
// and annotations into values, once, at the door, and say as Problems what is
// wrong with them. It is pure and does not know which addresses are free; that
// is package ipam.
package overlay
