// Package takeover is the edge that moves what the host has on a NIC to the
// bridge that takes the NIC over, and back: addresses, routes of all tables, rules
// that name the NIC, neighbours, settings; and it gives NICs other names. It owns
// none of it, and makes no bridge: Open vSwitch is another edge's.
//
//	eth0: 192.0.2.10 ──copy──▶ both ──join──▶ both, heard by br-lan ──switch──▶ both,
//	      routes by eth0              routes by eth0       routes by br-lan ──bare──▶ br-lan alone
//
// # Make before break
//
// There is no moment without a way in and a way out. An address is on both devices
// before it is taken from one; the kernel keeps routes with that source then. A
// route is added behind the one that it follows, and then that one is deleted. In
// the step between, the host hears by the bridge and speaks by the NIC, with the
// one MAC that both have; the bridge's rp_filter is loose as long as it lasts.
// Neighbours go along, so that nobody has to be asked again.
//
// # Nothing is lost on the way
//
// What is moved are the kernel's own messages, with another device in them:
// attributes that no program here knows arrive as well, as with `ip route save`.
// Three things differ on the bridge: IPv6 addresses skip the detection of
// duplicates, which would take a second; stable-privacy addresses lose that word;
// and /proc/sys settings that cannot be read are left alone.
//
// # After a restart
//
// Every step looks at what there is on the two devices, and brings it to where it
// should be; so an address that somebody puts on the NIC later moves, too, and one
// that came on the bridge later goes back with the others. What was there is in
// the journal only for the case that the bridge is lost with all it had. Addresses
// that are held on lo have the address protocol 158.
//
// What a Kube-OVN has moved from VLAN sub-interfaces to internal ports goes back to
// them with the rest; we move nothing there.
//
// # Kernels
//
// A NIC is renamed while it is up, which takes Linux 6.2; older ones refuse, and
// nothing has been changed then.
package takeover
