package uplink

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/cilium/ebpf"

	"hawser/internal/host"
)

// Names of the maps of bpf/maps.h, also as pins.
const (
	mapSettings = "settings"
	mapTallies  = "tallies"
	mapOwned    = "owned"
	mapKnown    = "known"
)

// Flags of settings in bpf/maps.h.
const (
	flagTrustPods = 1 << iota
	flagRSTP
	flagLearn
)

// Roles of known stations in bpf/maps.h.
const (
	roleHost uint32 = 1 << iota
	roleHop
)

// settings is its namesake of bpf/maps.h.
type settings struct {
	NIC, Tap, Mark, Flags uint32
	Source                [32]byte
}

// station is its namesake of bpf/maps.h.
type station struct {
	VLAN uint16
	MAC  host.MAC
}

func stationOf(s host.Station) station { return station{VLAN: uint16(s.VLAN), MAC: s.MAC} }

// errNotLoaded says that an uplink has no programs.
var errNotLoaded = errors.New("its programs are not loaded")

// openMap opens a pinned map of an uplink.
func (s *shelf) openMap(u host.Uplink, name string) (*ebpf.Map, error) {
	opened, err := ebpf.LoadPinnedMap(s.pin(u, name), nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("uplink %s of %s: %w", u.NIC, u.Provider, errNotLoaded)
	}
	if err != nil {
		return nil, fmt.Errorf("open the map %s of uplink %s: %w", name, u.NIC, err)
	}
	return opened, nil
}

func (s *shelf) readSettings(u host.Uplink) (found settings, err error) {
	opened, err := s.openMap(u, mapSettings)
	if err != nil {
		return found, err
	}
	defer opened.Close()
	if err := opened.Lookup(uint32(0), &found); err != nil {
		return found, fmt.Errorf("read the settings of uplink %s: %w", u.NIC, err)
	}
	return found, nil
}

func writeSettings(into *ebpf.Map, want settings) error {
	if err := into.Put(uint32(0), want); err != nil {
		return fmt.Errorf("write the settings: %w", err)
	}
	return nil
}

// readAll copies a map that is small enough for it. An entry that goes while it
// is read is as one that went before.
func readAll[V any](from *ebpf.Map) (map[station]V, error) {
	found := map[station]V{}
	var key station
	var value V
	entries := from.Iterate()
	for entries.Next(&key, &value) {
		found[key] = value
	}
	return found, entries.Err()
}
