// The program kube-ovn is the CNI plugin that a container runtime calls for
// each pod. It passes the call on to the node agent and exits.
package main

import (
	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/version"

	"hawser/internal/cniclient"
)

func main() {
	skel.PluginMainFuncs(cniclient.Funcs(), version.PluginSupports(cniclient.Versions()...), "kube-ovn: connects pods to the Hawser network fabric")
}
