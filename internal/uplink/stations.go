package uplink

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"hawser/internal/host"
)

// behind says what is behind the bridges of uplinks.
type behind struct {
	shelf
	writing sync.Mutex // one change at a time
}

// Keep brings the stations behind the bridge to exactly what is wanted, and
// counts what it had to change.
func (b *behind) Keep(ctx context.Context, u host.Uplink, want host.Behind) (changed int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	b.writing.Lock()
	defer b.writing.Unlock()
	owned, err := b.openMap(u, mapOwned)
	if err != nil {
		return 0, err
	}
	defer owned.Close()
	have, err := readAll[uint64](owned)
	if err != nil {
		return 0, fmt.Errorf("read the stations behind uplink %s: %w", u.NIC, err)
	}
	wanted := make(map[station]bool, len(want.Stations))
	for _, s := range want.Stations {
		wanted[stationOf(s)] = true
	}
	changed, err = keepOwned(owned, have, wanted)
	if err != nil {
		return changed, fmt.Errorf("keep the stations behind uplink %s: %w", u.NIC, err)
	}
	relearned, err := b.setLearn(u, want.Learn)
	return changed + relearned, err
}

func keepOwned(owned *ebpf.Map, have map[station]uint64, wanted map[station]bool) (changed int, err error) {
	var errs []error
	for s := range have {
		if !wanted[s] {
			errs = append(errs, remove(owned, s))
			changed++
		}
	}
	for s := range wanted {
		if _, there := have[s]; !there {
			errs = append(errs, add(owned, s))
			changed++
		}
	}
	return changed, errors.Join(errs...)
}

// setLearn changes the one flag that is not among host.Uplink's words.
func (b *behind) setLearn(u host.Uplink, learn bool) (changed int, err error) {
	opened, err := b.openMap(u, mapSettings)
	if err != nil {
		return 0, err
	}
	defer opened.Close()
	var have settings
	if err := opened.Lookup(uint32(0), &have); err != nil {
		return 0, fmt.Errorf("read the settings of uplink %s: %w", u.NIC, err)
	}
	if learn == (have.Flags&flagLearn != 0) {
		return 0, nil
	}
	have.Flags ^= flagLearn
	return 1, writeSettings(opened, have)
}

// Own adds stations behind the bridge, as a pod is plugged in. One that is there
// already stays as it is.
func (b *behind) Own(u host.Uplink, stations ...host.Station) error {
	return b.eachOwned(u, stations, add)
}

// Disown takes stations away, as a pod goes. One that is not there is no error.
func (b *behind) Disown(u host.Uplink, stations ...host.Station) error {
	return b.eachOwned(u, stations, remove)
}

func (b *behind) eachOwned(u host.Uplink, stations []host.Station, do func(*ebpf.Map, station) error) error {
	b.writing.Lock()
	defer b.writing.Unlock()
	owned, err := b.openMap(u, mapOwned)
	if err != nil {
		return err
	}
	defer owned.Close()
	for _, s := range stations {
		if err := do(owned, stationOf(s)); err != nil {
			return fmt.Errorf("station %s, VLAN %d, behind uplink %s: %w", s.MAC, s.VLAN, u.NIC, err)
		}
	}
	return nil
}

// add lets a station count as heard now, so that what it sends at once and a
// foreign switch returns is known as its own.
func add(owned *ebpf.Map, s station) error {
	now, err := uptime()
	if err != nil {
		return err
	}
	err = owned.Update(s, now, ebpf.UpdateNoExist)
	if errors.Is(err, ebpf.ErrKeyExist) {
		return nil
	}
	return err
}

func remove(owned *ebpf.Map, s station) error {
	err := owned.Delete(s)
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		return nil
	}
	return err
}

// uptime is the clock of bpf_ktime_get_ns, in nanoseconds.
func uptime() (uint64, error) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0, fmt.Errorf("read the monotonic clock: %w", err)
	}
	return uint64(now.Nano()), nil
}
