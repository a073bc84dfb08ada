// Package traffic measures what a way between two network namespaces carries:
// the bytes of a TCP stream, and round trips of a single byte. Both ends are
// threads of the process that measures, so nothing has to be installed there.
//
// Machines differ, and so do the minutes of one machine. Hence ways are compared
// by turns, and what counts is the ratio of a turn.
package traffic
