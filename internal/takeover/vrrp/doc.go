// Package vrrp speaks for the VRRP daemons of this host while its NIC gets another
// name, or its own again.
//
// A daemon that was told the NIC's name takes a rename for the NIC's loss. It begins
// again as a backup, silent for more than three intervals, and the other router, which
// waits as long, becomes master. A stand-in hears the advertisements that leave by the
// NIC, and sends the last one again while the next is missing:
//
//	daemon    A    A    A                        A    A
//	stand-in                 A    A    A    A
//	                   rename                 master again
//
// It ends with the daemon's word: an advertisement of priority 0, by which a master
// lets go, is the last one. It is silent as soon as another router of the same or a
// higher priority speaks, and in any case after a while. What it sends is byte by byte
// what the daemon sent: daemons that number their messages (the authentication header
// of RFC 2338) are not helped.
package vrrp
