package controller

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// What the controller counts beside controller-runtime's own metrics of queues
// and API calls.
var (
	claimsMade = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "kube_ovn_controller_claims_made_total",
		Help: "IP objects created.",
	})
	claimsDropped = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "kube_ovn_controller_claims_dropped_total",
		Help: "IP objects deleted.",
	})
	claimsLost = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "kube_ovn_controller_claims_lost_total",
		Help: "Claims given up because an older IP object holds the address.",
	})
	podSeconds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "kube_ovn_controller_pod_seconds",
		Help:    "Time from the first look at a pod on a node until its annotations are written.",
		Buckets: prometheus.ExponentialBuckets(0.002, 2, 14),
	})
)

func init() {
	metrics.Registry.MustRegister(claimsMade, claimsDropped, claimsLost, podSeconds)
}
