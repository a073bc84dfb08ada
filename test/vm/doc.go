// Package vm runs programs in a virtual machine with a distribution's kernel.
//
// What a node's kernel does cannot be tested on every machine: Open vSwitch's
// kernel datapath, Team, bond, VLANs and geneve exist only where a distribution
// put them. The machine is Debian 13's kernel and qemu, emulated in software, so
// that it runs wherever the tests do; it is for how a node behaves, not for how
// fast. Go programs run about ten times slower in it than outside.
//
//	test process ── Run ── qemu ── /in/run
//	     │  output, exit code  ◀───────┘  /in: the files given, /out: handed back
//
// The disk, kernel and emulator come from hack/vm.sh, which builds them once.
// Each run starts from the same disk and leaves nothing. What of a run the
// machine cannot do is an error that says so: nothing is ever skipped.
package vm
