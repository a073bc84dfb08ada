package uplink

import (
	"github.com/prometheus/client_golang/prometheus"

	"hawser/internal/host"
)

// labels of every metric: path is where a frame went, or what became of it.
var labels = []string{"provider", "interface", "path"}

var (
	framesDesc = prometheus.NewDesc("kube_ovn_uplink_frames_total", "Frames that a shared uplink passed on or kept back.", labels, nil)
	bytesDesc  = prometheus.NewDesc("kube_ovn_uplink_bytes_total", "Bytes of the same frames.", labels, nil)
)

// Counters are the metrics of the shared uplinks that stand.
type Counters struct{ Uplinks *Uplinks }

// Describe is of prometheus.Collector.
func (c Counters) Describe(out chan<- *prometheus.Desc) {
	out <- framesDesc
	out <- bytesDesc
}

// Collect reads the counters of the shared uplinks that stand. The kernel keeps
// them, so that they survive the agent.
func (c Counters) Collect(out chan<- prometheus.Metric) {
	for provider, up := range c.Uplinks.standing.all() {
		if up.Attachment != host.AttachShared {
			continue
		}
		counters, err := c.Uplinks.Edges.Taps.Counters(up)
		if err != nil {
			out <- prometheus.NewInvalidMetric(framesDesc, err)
			continue
		}
		for path, tally := range tallies(counters) {
			out <- prometheus.MustNewConstMetric(framesDesc, prometheus.CounterValue, float64(tally.Frames), provider, up.NIC, path)
			out <- prometheus.MustNewConstMetric(bytesDesc, prometheus.CounterValue, float64(tally.Bytes), provider, up.NIC, path)
		}
	}
}

func tallies(c host.UplinkCounters) map[string]host.Tally {
	return map[string]host.Tally{
		"wire_to_host": c.WireToHost, "wire_to_switch": c.WireToSwitch,
		"host_to_wire": c.HostToWire, "host_to_switch": c.HostToSwitch,
		"switch_to_wire": c.SwitchToWire, "switch_to_host": c.SwitchToHost,
		"flooded": c.Flooded, "spoofed": c.Spoofed, "reflected": c.Reflected, "guarded": c.Guarded, "failed": c.Failed,
	}
}
