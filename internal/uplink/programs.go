package uplink

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the compiled programs
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/cilium/ebpf"

	"hawser/internal/host"
)

// object is compiled from bpf/switch.c by hack/ebpf.sh.
//
//go:embed bpf/switch.o
var object []byte

// Programs of bpf/switch.c, also as pins.
const (
	programWire = "wire_in"
	programHost = "host_out"
	programOVS  = "ovs_in"
)

var programs = []string{programWire, programHost, programOVS}

// loader brings programs and maps to the shelf.
type loader struct {
	links
	shelf
}

// load pins programs of this build with the uplink's settings. Maps that are
// pinned and of the same shape go on with what they hold, so that an upgrade
// forgets nothing; the programs that see frames are replaced by attach. The
// settings come last: by them a repeated load sees that it has nothing to do.
// Settings alone are changed under the programs that stand.
func (l *loader) load(u host.Uplink) error {
	want, err := l.wantedSettings(u)
	if err != nil {
		return err
	}
	have, err := l.readSettings(u)
	if err == nil && have.Source == want.Source && l.allPinned(u) {
		return l.changeSettings(u, have, want)
	}
	// A map of another shape cannot be read, and is replaced as a missing one.
	if err := os.MkdirAll(l.pins(u), 0o700); err != nil {
		return fmt.Errorf("make the directory for pins: %w", err)
	}
	collection, err := l.newCollection(u)
	if err != nil {
		return fmt.Errorf("load the programs of %s: %w", u.NIC, refusal(err))
	}
	defer collection.Close()
	if err := l.pinCollection(u, collection); err != nil {
		return err
	}
	if err := writeSettings(collection.Maps[mapSettings], want); err != nil {
		return fmt.Errorf("uplink %s: %w", u.NIC, err)
	}
	return l.pinSettings(u, collection)
}

func (l *loader) changeSettings(u host.Uplink, have, want settings) error {
	if have == want {
		return nil
	}
	opened, err := l.openMap(u, mapSettings)
	if err != nil {
		return err
	}
	defer opened.Close()
	return writeSettings(opened, want)
}

// wantedSettings keeps the one flag that Keep sets.
func (l *loader) wantedSettings(u host.Uplink) (settings, error) {
	nic, err := l.find(u.NIC)
	if err != nil {
		return settings{}, err
	}
	wire, err := l.find(u.Wire)
	if err != nil {
		return settings{}, err
	}
	want := settings{
		NIC: uint32(nic.Attrs().Index), Tap: uint32(wire.Attrs().Index),
		Mark: u.Mark, Source: sha256.Sum256(object),
	}
	if u.TrustPods {
		want.Flags |= flagTrustPods
	}
	if u.RSTP {
		want.Flags |= flagRSTP
	}
	if have, err := l.readSettings(u); err == nil {
		want.Flags |= have.Flags & flagLearn
	}
	return want, nil
}

func (l *loader) newCollection(u host.Uplink) (*ebpf.Collection, error) {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		return nil, err
	}
	kept := map[string]*ebpf.Map{}
	defer func() {
		for _, m := range kept {
			m.Close()
		}
	}()
	for name, wanted := range spec.Maps {
		pinned, err := ebpf.LoadPinnedMap(l.pin(u, name), nil)
		if err != nil {
			continue // it is made, and pinned over whatever is there
		}
		kept[name] = pinned
		if wanted.Compatible(pinned) != nil {
			delete(kept, name)
			pinned.Close()
		}
	}
	return ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: kept})
}

// pinCollection pins all but the settings: an older program must not read
// settings that are meant for a newer one.
func (l *loader) pinCollection(u host.Uplink, collection *ebpf.Collection) error {
	for _, name := range slices.Sorted(maps.Keys(collection.Maps)) {
		if name == mapSettings {
			continue
		}
		if err := pinOver(collection.Maps[name], l.pin(u, name)); err != nil {
			return err
		}
	}
	for _, name := range programs {
		if err := pinOver(collection.Programs[name], l.pin(u, name)); err != nil {
			return err
		}
	}
	return nil
}

func (l *loader) pinSettings(u host.Uplink, collection *ebpf.Collection) error {
	return pinOver(collection.Maps[mapSettings], l.pin(u, mapSettings))
}

func (s *shelf) allPinned(u host.Uplink) bool {
	for _, name := range append([]string{mapSettings, mapTallies, mapOwned, mapKnown}, programs...) {
		if _, err := os.Stat(s.pin(u, name)); err != nil {
			return false
		}
	}
	return true
}

// isLoaded tells whether the programs are of this build, with these settings.
func (l *loader) isLoaded(u host.Uplink) (bool, error) {
	want, err := l.wantedSettings(u)
	if errors.Is(err, host.ErrMissing) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	have, err := l.readSettings(u)
	return err == nil && have == want && l.allPinned(u), nil
}

// openProgram opens a pinned program of an uplink.
func (s *shelf) openProgram(u host.Uplink, name string) (*ebpf.Program, error) {
	opened, err := ebpf.LoadPinnedProgram(s.pin(u, name), nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("uplink %s of %s: %w", u.NIC, u.Provider, errNotLoaded)
	}
	if err != nil {
		return nil, fmt.Errorf("open the program %s of uplink %s: %w", name, u.NIC, err)
	}
	return opened, nil
}

// refusal tells a kernel that cannot from one that does not let us.
func refusal(err error) error {
	if errors.Is(err, ebpf.ErrNotSupported) {
		return fmt.Errorf("%w: %w", host.ErrKernelUnsupported, err)
	}
	return err
}
