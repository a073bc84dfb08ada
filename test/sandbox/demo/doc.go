// Package demo shows what the fabric does in a sandbox: two tenants with a
// Subnet each, pods of both on all nodes, and a table of who reaches whom.
//
// It may be run again at any time: what is there already is left as it is, and
// every path is tried anew.
package demo
