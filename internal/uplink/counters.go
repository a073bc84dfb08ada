package uplink

import (
	"fmt"

	"github.com/cilium/ebpf"

	"hawser/internal/host"
)

// Counters reads the counters of a loaded uplink.
func (s *shelf) Counters(u host.Uplink) (host.UplinkCounters, error) {
	var found host.UplinkCounters
	tallies, err := s.openMap(u, mapTallies)
	if err != nil {
		return found, err
	}
	defer tallies.Close()
	for i, into := range ordered(&found) {
		if *into, err = readTally(tallies, uint32(i)); err != nil {
			return found, fmt.Errorf("read the counters of uplink %s: %w", u.NIC, err)
		}
	}
	return found, nil
}

// ordered is the order of bpf/maps.h.
func ordered(c *host.UplinkCounters) []*host.Tally {
	return []*host.Tally{
		&c.WireToHost, &c.WireToSwitch, &c.HostToWire, &c.HostToSwitch, &c.SwitchToWire, &c.SwitchToHost,
		&c.Flooded, &c.Spoofed, &c.Reflected, &c.Guarded, &c.Failed,
	}
}

// readTally adds up what each processor counted.
func readTally(from *ebpf.Map, index uint32) (sum host.Tally, err error) {
	var each []host.Tally
	if err := from.Lookup(index, &each); err != nil {
		return sum, err
	}
	for _, one := range each {
		sum.Frames += one.Frames
		sum.Bytes += one.Bytes
	}
	return sum, nil
}
