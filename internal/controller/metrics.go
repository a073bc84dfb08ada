package controller

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// podSeconds is measured beside controller-runtime's own metrics of queues and
// API calls, and package claim's of claims.
var podSeconds = prometheus.NewHistogram(prometheus.HistogramOpts{
	Name:    "kube_ovn_controller_pod_seconds",
	Help:    "Time from a pod's scheduling, which has a resolution of a second, until its annotations are written.",
	Buckets: prometheus.ExponentialBuckets(0.25, 2, 10),
})

func init() { metrics.Registry.MustRegister(podSeconds) }
