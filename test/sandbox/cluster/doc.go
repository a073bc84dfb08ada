// Package cluster makes a Kubernetes cluster of machines: it decides their
// names, addresses, certificates and services, brings everything up step by
// step, and takes it away again.
//
//	                 outside  198.51.100.2
//	                    │ routed
//	namespace lan:   gateway .1 ── bridge br0   172.30.0.0/24, fd00:30::/64
//	                    │      │      │      │
//	                   cp .2  n1 .11 n2 .12 n3 .13
//
// All of it lies in one directory on the host. What exists is always asked of
// the host, never remembered, so that each step can be run again after a
// failure or a kill.
package cluster
