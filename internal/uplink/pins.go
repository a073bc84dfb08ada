package uplink

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hawser/internal/host"
)

// shelf is where pins are: what outlives this process.
type shelf struct{ root string }

// Pinned lists the shared uplinks that something is pinned of, sorted, as far as
// pins tell: whatever of it stands in no plan is to be undone.
func (s *shelf) Pinned() ([]host.Uplink, error) {
	var found []host.Uplink
	providers, err := listPins(s.root)
	if err != nil {
		return nil, err
	}
	for _, provider := range providers {
		nics, err := listPins(filepath.Join(s.root, provider))
		if err != nil {
			return nil, err
		}
		for _, nic := range nics {
			found = append(found, host.SharedUplink(unescape(provider), unescape(nic)))
		}
	}
	return found, nil
}

func listPins(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list pinned uplinks: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// A BPF filesystem takes no dots in names, and neither a NIC nor an object of
// Kubernetes takes colons.
func escape(name string) string   { return strings.ReplaceAll(name, ".", ":") }
func unescape(name string) string { return strings.ReplaceAll(name, ":", ".") }

func parent(path string) string { return filepath.Dir(path) }

// pins is the directory of one uplink's pins.
func (s *shelf) pins(u host.Uplink) string {
	return filepath.Join(s.root, escape(u.Provider), escape(u.NIC))
}

func (s *shelf) pin(u host.Uplink, name string) string { return filepath.Join(s.pins(u), name) }

// pinnable is a map, a program or a link.
type pinnable interface{ Pin(path string) error }

// pinOver pins an object where another one may be pinned: there is one of both
// at any moment.
func pinOver(object pinnable, path string) error {
	fresh := path + "_new"
	if err := unpin(fresh); err != nil {
		return err
	}
	if err := object.Pin(fresh); err != nil {
		return fmt.Errorf("pin %s: %w", path, err)
	}
	if err := os.Rename(fresh, path); err != nil {
		return fmt.Errorf("pin %s: %w", path, err)
	}
	return nil
}

func unpin(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("unpin %s: %w", path, err)
	}
	return nil
}

// unpinAll removes an uplink's pins, and the directories that are empty then.
func (s *shelf) unpinAll(u host.Uplink) error {
	dir := s.pins(u)
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("unpin %s: %w", dir, err)
	}
	// The directories above stay as long as another uplink has pins there.
	_ = os.Remove(parent(dir))
	_ = os.Remove(s.root)
	return nil
}
