// Package e2e tests Hawser in the sandbox, a real cluster of several nodes on
// this machine. It expects that `bin/sandbox up` has run; `make test` sees to
// that. Tests speak to the cluster as users do, through kubectl and YAML, and
// to the wire through sockets that they open inside the pods' own network
// namespaces, so that nothing stands between a test and the packets it counts.
package e2e
