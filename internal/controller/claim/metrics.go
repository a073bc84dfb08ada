package claim

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var (
	made    = counter("made", "IP objects created.")
	dropped = counter("dropped", "IP objects deleted.")
	lost    = counter("lost", "Times that an older IP object was found to hold a claimed address.")
)

func counter(what, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "kube_ovn_controller_claims_" + what + "_total", Help: help})
	metrics.Registry.MustRegister(c)
	return c
}
