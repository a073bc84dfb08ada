// Package uplink is the edge of a shared uplink: a NIC stays exactly what it is
// to the host, and is a port of a provider network's bridge beside that. It owns
// the veth pair that taps the NIC, three eBPF programs with their maps, pinned
// below host.UplinkPins, and the bit IFF_PROMISC and the LRO of NICs as far as
// it changed them. It never moves an address, a route or a sysctl of the host,
// never sets a NIC down, and knows nothing of Open vSwitch.
//
// The programs are one learning switch with three ports:
//
//	      wire                    the host: addresses, VRRP, VLANs, bridges
//	        │                            ▲
//	┌───────┴──────────── NIC ───────────┴───────┐
//	│ ingress: wire_in          egress: host_out │
//	└───────┬────────────────────────────┬───────┘
//	        └───────► <Wire> veth ◄──────┘
//	                  ingress: ovs_in
//	                     ║
//	                  <Tap> ── <Bridge> of Open vSwitch
//
// # Forwarding
//
// Stations are keyed by VLAN and MAC, in maps of each uplink. Sources are learned
// in the kernel, so that a dead agent costs nothing. A known destination gets the
// frame alone; an unknown one is at both other ports, as are groups. All evidence
// that the maps hold about a station counts, so that an empty, stale or forged
// entry costs copies and never diverts a frame.
//
// A frame that one program has sent on carries host.Uplink's Mark until the next
// program takes it away; the host and Open vSwitch never see it. A netdev egress
// hook of nftables on the NIC is the one place before that program.
//
// # What the agent does
//
// It runs the steps pair, load, filter and promisc (package steps journals them),
// says with Keep, Own and Disown which stations are behind the bridge, and calls
// Follow for each uplink whenever links, neighbours or routes changed: MTU,
// carrier and the host's own stations follow then. Settings of a plan are changed
// under the programs that run. Probe asks whether the network outside lets pods'
// addresses through. In the userspace datapath it
// lists host.Uplink's Tap among host.Desired's Isolated, as every port of that
// datapath; <Wire> needs nothing, because ovs_in leaves no frame to the host.
//
// # Kernels
//
// With tcx (Linux 6.6), no frame of the host is lost when an uplink is attached or
// detached. An older kernel needs a qdisc, clsact: while that is added or removed,
// the kernel stops a device's transmission for as long as it takes all processors
// to notice (qdisc_graft, dev_deactivate), a millisecond or some. Whoever has a
// clsact qdisc on the NIC anyway is spared that. A frame costs each program 100 ns
// to 120 ns, and copies of one whose destination is unknown.
//
// # After a restart
//
// Nothing is in memory: the pair has names of its own (host.TapNames) and an
// alias, programs, maps and links are found by their pins, filters by their
// handle, and what the NIC was before stands in the journal, and once more beside
// the pins, should somebody delete the journal. A NIC that was renamed is found by
// its index, which stands in the pinned settings.
package uplink
