package northbound

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts what is sent to the database.
type metrics struct {
	connected    prometheus.Gauge
	transactions *prometheus.CounterVec
	operations   prometheus.Counter
	units        prometheus.Histogram
	seconds      prometheus.Histogram
}

// sent is one transaction and how it went.
type sent struct {
	units, operations int
	took              time.Duration
	lost, refused     bool
}

func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	name := func(metric string) string { return "hawser_northbound_" + metric }
	m := &metrics{
		connected:    prometheus.NewGauge(prometheus.GaugeOpts{Name: name("connected"), Help: "1 while connected to the leader of the northbound database."}),
		transactions: prometheus.NewCounterVec(prometheus.CounterOpts{Name: name("transactions_total"), Help: "Transactions sent, by result: committed, refused, lost."}, []string{"result"}),
		operations:   prometheus.NewCounter(prometheus.CounterOpts{Name: name("operations_total"), Help: "Operations sent, guards included."}),
		units:        prometheus.NewHistogram(prometheus.HistogramOpts{Name: name("transaction_units"), Help: "Objects that shared a transaction.", Buckets: prometheus.ExponentialBuckets(1, 2, 8)}),
		seconds:      prometheus.NewHistogram(prometheus.HistogramOpts{Name: name("transaction_seconds"), Help: "From sending a transaction to its answer.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 14)}),
	}
	if registry == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.connected, m.transactions, m.operations, m.units, m.seconds} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("registering the metrics of the northbound client: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) observe(s sent) {
	result := "committed"
	switch {
	case s.lost:
		result = "lost"
	case s.refused:
		result = "refused"
	}
	m.transactions.WithLabelValues(result).Inc()
	m.operations.Add(float64(s.operations))
	m.units.Observe(float64(s.units))
	m.seconds.Observe(s.took.Seconds())
}
