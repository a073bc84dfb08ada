// Package steps carries out plans that change a host's links, and takes them
// back. It owns the journal: what is about to be done stands on the disk before
// it is done, so that a crash, a kill or a power cut between any two steps ends
// in "as it was" or "as wanted". It does not know what a step does; the edges
// that offer Do and Undo know.
//
//	Settle(name, plan) ─▶ journal: step and Before ─▶ Do ─▶ next … ─▶ settled
//	                              (fsync)             └─ fails ─▶ Undo in reverse
//
// A plan that failed before it was ever whole is rolled back. One that was whole
// and cannot be confirmed now, because Open vSwitch is away for example, stays
// as it is: an outage is no reason to take a NIC from running pods. For the same
// reason an uplink that cannot join others is taken back alone.
package steps
