package kernel

import (
	"os"
	"path/filepath"
	"strings"

	"hawser/internal/host"
)

// Where settings live. What lies below net/ belongs to the network namespace of
// the thread that opens it. In a container that is not privileged /proc/sys is
// read-only; the chart mounts the host's a second time, for writing.
const (
	procSys     = "/proc/sys"
	hostProcSys = "/host/proc/sys"
)

// setSysctls writes the settings that differ. One that cannot be read belongs to
// a device that is not there, or to a family that the kernel was built without.
func (w *work) setSysctls(want []host.Sysctl) {
	for _, sysctl := range want {
		if have := readSysctl(sysctl.Key); have != "" && have != sysctl.Value {
			err := os.WriteFile(settingPath(sysctl.Key), []byte(sysctl.Value), 0)
			w.done(err, "set %s to %s", sysctl.Key, sysctl.Value)
		}
	}
}

// readSysctl gives "" for a setting that is not there.
func readSysctl(key string) string {
	text, err := os.ReadFile(settingPath(key))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func settingPath(key string) string {
	root := procSys
	if _, err := os.Stat(filepath.Join(hostProcSys, "net")); err == nil {
		root = hostProcSys
	}
	return filepath.Join(root, filepath.FromSlash(key))
}
