// Package kernel is the agent's door to rtnetlink: it reads links, addresses
// and routes, brings ours to what is wanted, and tells when anything changed.
//
// It changes only what is ours: devices with the names of package host, their
// addresses and settings, and routes of protocol 158. A restarted agent knows
// its own by the same marks, so nothing is kept in memory or on disk.
package kernel
