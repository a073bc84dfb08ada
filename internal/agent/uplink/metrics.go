package uplink

import (
	"github.com/prometheus/client_golang/prometheus"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
)

// labels of every metric: path is where a frame went, or what became of it.
var labels = []string{"provider", "interface", "path"}

var (
	framesDesc = prometheus.NewDesc("kube_ovn_uplink_frames_total", "Frames that a shared uplink passed on or kept back.", labels, nil)
	stateDesc  = prometheus.NewDesc("kube_ovn_uplink_state", "What an uplink does among those of its node: 1 for its state, 0 for the others.", []string{"provider", "interface", "state"}, nil)
	bytesDesc  = prometheus.NewDesc("kube_ovn_uplink_bytes_total", "Bytes of the same frames.", labels, nil)
)

// Counters are the metrics of the uplinks that stand.
type Counters struct{ Uplinks *Uplinks }

// Describe is of prometheus.Collector.
func (c Counters) Describe(out chan<- *prometheus.Desc) {
	out <- framesDesc
	out <- bytesDesc
	out <- stateDesc
}

// Collect tells of the uplinks that stand, and reads the counters of the shared ones.
// The kernel keeps them, so that they survive the agent.
func (c Counters) Collect(out chan<- prometheus.Metric) {
	for _, party := range c.Uplinks.standing.all() {
		for _, up := range party.uplinks {
			tellState(out, up, party.states[up.NIC])
			if isShared(up) {
				c.count(out, up)
			}
		}
	}
}

func tellState(out chan<- prometheus.Metric, up host.Uplink, is kubeovnv1.UplinkState) {
	for _, state := range []kubeovnv1.UplinkState{kubeovnv1.UplinkActive, kubeovnv1.UplinkStandby, kubeovnv1.UplinkDown} {
		value := 0.0
		if state == is {
			value = 1
		}
		out <- prometheus.MustNewConstMetric(stateDesc, prometheus.GaugeValue, value, up.Provider, up.NIC, string(state))
	}
}

func (c Counters) count(out chan<- prometheus.Metric, up host.Uplink) {
	counters, err := c.Uplinks.Edges.Taps.Counters(up)
	if err != nil {
		out <- prometheus.NewInvalidMetric(framesDesc, err)
		return
	}
	for path, tally := range tallies(counters) {
		out <- prometheus.MustNewConstMetric(framesDesc, prometheus.CounterValue, float64(tally.Frames), up.Provider, up.NIC, path)
		out <- prometheus.MustNewConstMetric(bytesDesc, prometheus.CounterValue, float64(tally.Bytes), up.Provider, up.NIC, path)
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
