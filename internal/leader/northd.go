package leader

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// WatchNorthd reports whether the northd of this machine is the active one,
// every interval, until ctx ends. It asks because there is nothing to listen
// to: who holds northd's lock is in no table, and queuing for the lock oneself
// would keep it from the next northd.
func WatchNorthd(ctx context.Context, runDir string, interval time.Duration, report func(active bool)) {
	for ctx.Err() == nil {
		status, err := northdStatus(ctx, runDir, interval)
		report(err == nil && strings.TrimSpace(status) == "Status: active")
		pause(ctx, interval)
	}
}

// northdStatus asks over northd's control socket, whose name has its process id.
func northdStatus(ctx context.Context, runDir string, timeout time.Duration) (string, error) {
	pid, err := os.ReadFile(filepath.Join(runDir, "ovn-northd.pid"))
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	socket := fmt.Sprintf("ovn-northd.%s.ctl", strings.TrimSpace(string(pid)))
	return call(ctx, filepath.Join(runDir, socket), "status")
}
