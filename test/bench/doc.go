// Package bench measures Hawser. `make bench` runs it and prints a table; the
// figures of a release stand in docs/benchmarks.md.
//
// The control plane is measured against a real kube-apiserver, real OVN
// databases and ovn-northd on this machine, with simulated nodes: Node objects
// and Chassis rows without a kubelet. Machines differ and so do hours of one
// machine, so what is compared is compared within one run, as a ratio.
package bench
