// Package northbound turns the words of the virtual network into rows of OVN's
// northbound database, owner by owner. It is the only writer of that database
// and the only importer of its client. It decides nothing: what should exist is
// said by logical.State, and Apply makes it so or says why not.
//
//	Apply(owner, state) ─▶ wanted rows ┐
//	            cache   ─▶ owned rows  ┴▶ delta ─▶ unit ─▶ group commit ─▶ one transaction
//
// # Whose row it is
//
// Every row carries vendor=kube-ovn, owner=<Kind>/<namespace>/<name>, for a row
// that hangs on another one parent=<Table>/<name>, and for a port groups=<its
// port groups>, all in external_ids. A restarted process recognises its rows by
// these and remembers nothing else. Columns with several writers (the ports,
// acls, policies… of a switch or router, the ports of a port group) are only
// mutated, never written as a whole, and not even read, but for Port_Group.ports.
//
// A row's UUID is version 5 in the namespace UUIDv5(DNS, "hawser.kubeovn.io") of
// the text "<Table>/<key>", so that the server itself refuses a second row for
// the same thing. The keys are:
//
//	Logical_Switch, Logical_Router, Port_Group     the name
//	Logical_Switch_Port, Logical_Router_Port       the name
//	Logical_Router_Policy                          <router>/<priority>/<match>
//	Logical_Router_Static_Route                    <router>/<table>/<prefix>/<next hop>
//	ACL                                            <parent table>/<parent>/<direction>/<tier>/<priority>/<match>
//
// A row with a wanted name, vendor=kube-ovn and no owner was made by a real
// Kube-OVN: it gets our owner and keeps its UUID. Rows of others with that name
// are reported, and nothing without an owner is ever deleted.
//
// # Who writes
//
// The client that dialled last. Its mark in NB_Global:external_ids:hawser-writer
// is checked by the server in every transaction, so that a leader that was
// suspended and deposed cannot write what it had planned before.
package northbound
