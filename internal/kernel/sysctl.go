package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"hawser/internal/host"
)

// procSys is where settings live. What lies below net/ belongs to the network
// namespace of the thread that opens it.
const procSys = "/proc/sys"

// setSysctls writes the settings that differ. One that is not there belongs to
// a device that is not there, or to a family that the kernel was built without.
func (w *work) setSysctls(want []host.Sysctl) {
	for _, sysctl := range want {
		path := filepath.Join(procSys, filepath.FromSlash(sysctl.Key))
		have, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			w.errs = append(w.errs, fmt.Errorf("read setting %s: %w", sysctl.Key, err))
			continue
		}
		if strings.TrimSpace(string(have)) != sysctl.Value {
			w.done(os.WriteFile(path, []byte(sysctl.Value), 0), "set %s to %s", sysctl.Key, sysctl.Value)
		}
	}
}
