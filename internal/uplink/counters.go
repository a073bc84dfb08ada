package uplink

import (
	"fmt"

	"github.com/cilium/ebpf"

	"hawser/internal/host"
)

// Tally counts frames and their bytes.
type Tally struct{ Frames, Bytes uint64 }

// Counters are what the programs of an uplink counted since they were loaded
// first; they survive the agent and its upgrades. A frame and each copy of it
// count for themselves. "Switch" is the provider's bridge.
type Counters struct {
	WireToHost, WireToSwitch Tally
	HostToWire, HostToSwitch Tally
	SwitchToWire             Tally
	SwitchToHost             Tally
	Flooded                  Tally // to both other ports, because the destination was unknown
	Spoofed                  Tally // from the bridge, with the source of somebody else
	Reflected                Tally // from the wire, with the source of one of ours
	Guarded                  Tally // router advertisements and the like, kept from the host
	Failed                   Tally // copies that the kernel refused
}

// Counters reads the counters of a loaded uplink.
func (c *Client) Counters(u host.Uplink) (Counters, error) {
	var found Counters
	tallies, err := c.openMap(u, mapTallies)
	if err != nil {
		return found, err
	}
	defer tallies.Close()
	for i, into := range found.ordered() {
		if *into, err = readTally(tallies, uint32(i)); err != nil {
			return found, fmt.Errorf("read the counters of uplink %s: %w", u.NIC, err)
		}
	}
	return found, nil
}

// ordered is the order of bpf/maps.h.
func (c *Counters) ordered() []*Tally {
	return []*Tally{
		&c.WireToHost, &c.WireToSwitch, &c.HostToWire, &c.HostToSwitch, &c.SwitchToWire, &c.SwitchToHost,
		&c.Flooded, &c.Spoofed, &c.Reflected, &c.Guarded, &c.Failed,
	}
}

// readTally adds up what each processor counted.
func readTally(from *ebpf.Map, index uint32) (sum Tally, err error) {
	var each []Tally
	if err := from.Lookup(index, &each); err != nil {
		return sum, err
	}
	for _, one := range each {
		sum.Frames += one.Frames
		sum.Bytes += one.Bytes
	}
	return sum, nil
}
