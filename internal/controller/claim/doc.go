// Package claim decides who owns an address. The IP object is the claim; the
// Book follows a watch of all IP objects and knows which of two objects came
// to hold an address first.
//
// # Why an address is never given out twice
//
// The API server orders all changes of one kind (by etcd's revision), and every
// watcher sees them in that order. An object whose creation has come back in
// our own watch therefore has all its elders in the Book already. It wins if,
// at that point of the stream, no other object holds its address; whoever is
// created afterwards finds it there and loses, in every controller that runs,
// also in a leader that was suspended and has woken up.
//
// Creation times are not used for that: they have a resolution of one second
// and come from the clocks of several API servers, so that of two objects
// either could be the "elder" after one of them has already won. Nor are
// resourceVersions: they grow with every later change of an object. What counts
// is the position in the stream at which the Book first saw an object hold its
// addresses (entry.since). An object that was there in an earlier state and one
// that was not are ordered beyond doubt, also across a gap in the watch.
//
// Two objects that are first seen in one and the same listing are not ordered.
// Then neither goes on while the other exists. Who gives up is decided by what
// is most likely right: the one that is not in use, else the younger by
// creation time, by resourceVersion, by UID; the other goes on when it is gone.
//
//	stream:  list{A,B} ──▶ +C ──▶ +D ──▶ gap, list{A,B,D,E,F}
//	since:      1           2      3        4 (E and F)
package claim
