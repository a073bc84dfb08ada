package takeover

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

// Where settings live, as in internal/kernel: /proc/sys is read-only in a
// container, and the chart mounts the host's a second time.
const (
	procSys     = "/proc/sys"
	hostProcSys = "/host/proc/sys"
)

// The folders with a device's settings, below /proc/sys. The device's name stands
// between the two parts, and in its place "default" for a new device's.
var settingFolders = []string{"net/ipv4/conf", "net/ipv4/neigh", "net/ipv6/conf", "net/ipv6/neigh"}

// notCopied are settings that follow from others or are no setting at all, and the
// one that has the kernel make an address of the MAC: those of the NIC are copied.
var notCopied = []string{"mtu", "stable_secret", "mc_forwarding", "addr_gen_mode"}

const (
	reversePath = "net/ipv4/conf/%s/rp_filter"
	generation  = "net/ipv6/conf/%s/addr_gen_mode"

	loose      = "2" // of rp_filter: a packet may come by another device than its answer takes
	noneByMAC  = "1" // of addr_gen_mode
	ofDefault  = "default"
	writeLimit = 0o200
)

func settingRoot() string {
	if _, err := os.Stat(filepath.Join(hostProcSys, "net")); err == nil {
		return hostProcSys
	}
	return procSys
}

// read gives "" for a setting that is not there or has no value yet.
func read(key string) string {
	value, err := os.ReadFile(filepath.Join(settingRoot(), key))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(value))
}

// write does nothing where the setting is so already, or is of a family that the
// kernel was built without.
func write(key, value string) error {
	if value == "" || read(key) == value {
		return nil
	}
	err := os.WriteFile(filepath.Join(settingRoot(), key), []byte(value), 0)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("set %s to %s: %w", key, value, err)
	}
	return nil
}

// settings are those that a device has and another may have, by their names.
func settings(of string) (out []host.Sysctl, err error) {
	for _, folder := range settingFolders {
		files, err := os.ReadDir(filepath.Join(settingRoot(), folder, of))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list settings of %s: %w", of, err)
		}
		for _, file := range files {
			info, err := file.Info()
			if err != nil || info.Mode()&writeLimit == 0 || slices.Contains(notCopied, file.Name()) {
				continue
			}
			if value := read(filepath.Join(folder, of, file.Name())); value != "" {
				out = append(out, host.Sysctl{Key: filepath.Join(folder, "%s", file.Name()), Value: value})
			}
		}
	}
	return out, nil
}

// copySettings gives one device those of another.
func copySettings(from, to string) error {
	found, err := settings(from)
	if err != nil {
		return err
	}
	for _, setting := range found {
		if err := write(fmt.Sprintf(setting.Key, to), setting.Value); err != nil {
			return err
		}
	}
	return nil
}

// loosen lets a device hear what is answered by another one.
func loosen(device string) error { return write(fmt.Sprintf(reversePath, device), loose) }

func isLoose(device string) bool { return read(fmt.Sprintf(reversePath, device)) == loose }

// tighten gives a device another one's rp_filter.
func tighten(device, like string) error {
	return write(fmt.Sprintf(reversePath, device), read(fmt.Sprintf(reversePath, like)))
}
