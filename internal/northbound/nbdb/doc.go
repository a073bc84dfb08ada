// Package nbdb holds the rows of OVN's northbound database as Go types. It is
// generated from ovn-nb.ovsschema, which is OVN 25.03's schema pruned to the
// tables and columns that we read or compare: the client asks the server for
// these columns only, and refuses a server that lacks one of them. Columns that
// hold the children of a switch or a router (ports, acls, policies…) are left
// out on purpose: they have many writers, grow with the cluster, and are only
// ever mutated.
//
// To use another column, copy it from /usr/share/ovn/ovn-nb.ovsschema into the
// pruned schema and run go generate; a test compares the two.
package nbdb

//go:generate go tool modelgen -extended -p nbdb -o . ovn-nb.ovsschema
