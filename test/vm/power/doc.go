// Package power cuts a node's power while its only NIC is taken over or given back:
// after every write to the journal of host changes, and once nothing is left to do.
//
//	test process ── vm.Run ── qemu ── this binary: a life
//	     │                              the host's own configuration, Open vSwitch
//	     │                              what the journal says is brought to its end
//	     │                              taken over, or given back, up to a step
//	     └──────── kill -9 ◀──────────  "power off at: …"
//
// What the machine has not flushed is lost, as on a server with a cache that the
// disk cannot save. Journal and database are on a disk that the next life finds.
package power
