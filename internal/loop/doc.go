// Package loop is the edge that finds out which NICs of this node are in one
// network outside. Two uplinks of one provider network that are would make the
// switches around us see every pod behind two ports by turns.
//
// It sends probes from each NIC and listens on the others. It owns the packet
// sockets for that, while a search lasts, and nothing else: it changes no device,
// and does not judge who has to stand by.
//
// # A probe
//
// A probe has to pass every physical switch, and none of our own bridges: neither
// to a pod, nor to another NIC, here or on any other node. So it goes to addresses
// that a bridge of Open vSwitch drops whatever its datapath, as forward-bpdu of
// ovs-vswitchd.conf.db(5) lists them, and that others know nothing of. One is
// unicast and unknown everywhere, the other is a group: a fabric may suppress
// either, and hardly both.
//
//	to    00:e0:2b:00:00:06 (EAPS of Extreme), 01:00:0c:cc:cc:c0 (Cisco's first CFM)
//	from  the NIC's own address, so that port security has nothing to object to
//	type  88:b5, for local experiments (IEEE 802)
//	text  "hawser loop probe ", 16 random bytes, the NIC's name
//
// The random bytes are new for each search, NIC and VLAN, so that nobody can
// answer for somebody else, nor with what he heard earlier.
//
// It leaves a shared NIC with the mark of the uplink's programs, which then take
// it to the wire alone. It is heard before programs, bridges and the datapath of
// Open vSwitch: by a socket for all protocols, which hears nothing but probes.
//
// # What it does not find
//
// Networks that are joined by a switch which drops probes itself: an Open vSwitch
// of a hypervisor, for example. And what a NIC without carrier is in: such a NIC
// is mute, and told as that.
package loop
