package agent

import "github.com/prometheus/client_golang/prometheus"

// changes tells a node that is calm from one where something fights us.
var changes = prometheus.NewCounter(prometheus.CounterOpts{
	Name: "kube_ovn_node_changes_total",
	Help: "Changes the agent made to the node's links, addresses, routes, OVS and nftables.",
})
