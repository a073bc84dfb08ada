package cni

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"hawser/internal/cniwire"
)

// phase is a part of ADD; together they are all of it.
type phase string

const (
	phaseAddress   phase = "address"   // waiting for the controller
	phaseConnect   phase = "connect"   // veth pair and OVSDB commit
	phaseConfigure phase = "configure" // addresses and routes in the pod, both ends up
	phaseInstall   phase = "install"   // waiting for OVN beyond that
	phaseJoin      phase = "join"      // on a physical network: gateways, conflicts, addresses
)

// instruments are the server's metrics.
type instruments struct {
	phases  *prometheus.HistogramVec
	answers *prometheus.CounterVec
}

func newInstruments(registry prometheus.Registerer) *instruments {
	i := &instruments{
		phases: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "kube_ovn_cni_add_phase_seconds",
			Help:    "Time that the parts of a CNI ADD took: waiting for the address, connecting, configuring, waiting for OVN.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 17), // 0.5 ms to 33 s
		}, []string{"phase"}),
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kube_ovn_cni_requests_total",
			Help: "Calls of the CNI plugin by verb and CNI error code; 0 is success.",
		}, []string{"verb", "code"}),
	}
	if registry != nil {
		registry.MustRegister(i.phases, i.answers)
	}
	return i
}

func (i *instruments) answered(verb cniwire.Verb, told *cniwire.Error) {
	code := cniwire.Code(0)
	if told != nil {
		code = told.Code
	}
	i.answers.WithLabelValues(string(verb), strconv.Itoa(int(code))).Inc()
}

// stopwatch times the phases of one ADD.
type stopwatch struct {
	into *instruments
	last time.Time
	laps []any // key, value, … for the log
}

func (i *instruments) start() *stopwatch { return &stopwatch{into: i, last: time.Now()} }

// lap ends a phase.
func (w *stopwatch) lap(p phase) {
	now := time.Now()
	took := now.Sub(w.last)
	w.last = now
	w.into.phases.WithLabelValues(string(p)).Observe(took.Seconds())
	w.laps = append(w.laps, string(p), took)
}

func (w *stopwatch) log() []any { return w.laps }
