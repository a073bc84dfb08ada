package netmanager

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"
)

// ruleFile comes after NetworkManager's own rules, which say what it leaves
// alone by itself (85-nm-unmanaged.rules).
const ruleFile = "86-hawser.rules"

// The devices that we make: their drivers, as udev learns them, and their kinds,
// as NetworkManager calls those. A device of another kind is somebody else's,
// whatever its name: a bridge br-lan may well be.
const drivers = "veth|openvswitch|tun|macvlan"

var kinds = []string{"veth", "openvswitch", "ovsinterface", "ovsbridge", "ovsport", "generic", "tun", "macvlan"}

// Keep keeps devices of ours out of NetworkManager's hands: those that are there
// at once, those to come by a rule of udev. Each is a name, or a pattern of
// path.Match. It has to be called before the devices are made, and with all of
// them each time; with none, the rule is taken away. It says whether anything
// had to change. If a device so named is managed and is none that we make, nothing
// is done at all.
func (c *Client) Keep(ctx context.Context, devices ...string) (changed bool, err error) {
	conn, all, asked := c.ask(ctx)
	taken, err := all.taken(devices)
	if err != nil {
		return false, err
	}
	wrote, err := c.writeRule(ruleText(devices)) // also when NetworkManager cannot be asked
	if err = errors.Join(asked, err); err != nil {
		return wrote, err
	}
	for _, at := range taken {
		call := conn.Object(service, at).CallWithContext(ctx, setProperty, 0, deviceInterface, "Managed", dbus.MakeVariant(false))
		if call.Err != nil {
			return wrote, fmt.Errorf("take a device out of NetworkManager's hands: %w", call.Err)
		}
	}
	return wrote || len(taken) > 0, nil
}

// taken are those of our devices that NetworkManager has taken already.
func (o objects) taken(devices []string) ([]dbus.ObjectPath, error) {
	var out []dbus.ObjectPath
	for at, interfaces := range o {
		if _, ok := interfaces[deviceInterface]; !ok {
			continue
		}
		device := o.device(interfaces)
		if !device.Managed || !matchesAny(devices, device.Name) {
			continue
		}
		if !slices.Contains(kinds, device.Kind) {
			return nil, fmt.Errorf("%s is a %s that NetworkManager manages: it is not ours and stays as it is", device.Name, device.Kind)
		}
		out = append(out, at)
	}
	return out, nil
}

// ruleText is the content of the file of rules, the same for any order.
func ruleText(devices []string) string {
	if len(devices) == 0 {
		return ""
	}
	names := slices.Compact(slices.Sorted(slices.Values(devices)))
	return "# Written by Hawser's node agent: the devices of the pod network are its own.\n" +
		fmt.Sprintf("SUBSYSTEM==\"net\", ENV{ID_NET_DRIVER}==%q, KERNEL==%q, ENV{NM_UNMANAGED}=\"1\"\n", drivers, strings.Join(names, "|"))
}

// writeRule replaces the file in one step, because udev may read it at any time.
// A machine without udev has no such directory.
func (c *Client) writeRule(text string) (changed bool, err error) {
	if _, err := os.Stat(filepath.Dir(c.rules)); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	target := filepath.Join(c.rules, ruleFile)
	have, err := os.ReadFile(target)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("read udev's rules: %w", err)
	}
	if bytes.Equal(have, []byte(text)) {
		return false, nil
	}
	if err := replace(target, text); err != nil {
		return false, fmt.Errorf("write udev's rules: %w", err)
	}
	return true, nil
}

// replace writes a file; no text takes it away.
func replace(target, text string) error {
	if text == "" {
		return os.Remove(target)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	// udev reads files that end in .rules only.
	draft := target + ".new"
	if err := os.WriteFile(draft, []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(draft, target)
}

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		matched, err := path.Match(pattern, name)
		return matched && err == nil
	})
}
