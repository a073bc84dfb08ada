// Package vswitch is the edge to the Open vSwitch of this node: bridges, ports
// and the settings that ovn-controller reads, kept in the local Open_vSwitch
// database, which it speaks to over its socket.
//
// Whose row is whose. A bridge or port of ours carries external_ids
// vendor=kube-ovn and owner=<who wanted it>; Apply reads, writes and removes the
// rows of one owner and of nobody else. Rows are known by their name, which the
// schema makes unique, so that a restarted process finds its own again; new
// rows get the UUIDv5 of "<Table>/<name>", bridges that of "Bridge/<node>/<name>"
// with the node's Open_vSwitch row. A row with our vendor and no owner
// comes from a real Kube-OVN and is adopted in place. Columns with several
// writers (the ports of a bridge, the bridges of the switch, every external_ids)
// only take mutations, never whole-column writes.
//
// A commit returns when the database has it, not when ovs-vswitchd has acted on
// it: what has to wait for the data path waits for Installed. Nothing here polls
// and nothing is forked. A lost connection is re-made and the whole cache read
// again; calls made meanwhile wait until then or until their context ends.
package vswitch
