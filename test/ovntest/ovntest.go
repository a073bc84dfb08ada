// Package ovntest runs a real OVN northbound database, and if asked the
// southbound one with ovn-northd, for tests and benchmarks. The programs come
// from the cached Debian root filesystem that hack/rootfs.sh makes.
package ovntest
