package machine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// record is what finds a machine again: a process number alone could by now be
// somebody else's, so its start time and the host's boot go with it.
type record struct {
	PID     int    `json:"pid"`
	Started string `json:"started"`
	Boot    string `json:"boot"`
}

func recordPath(dir string) string { return filepath.Join(dir, "machine.json") }

func writeRecord(dir string, pid int) error {
	started, err := startTime(pid)
	if err != nil {
		return err
	}
	boot, err := bootID()
	if err != nil {
		return err
	}
	content, err := json.Marshal(record{PID: pid, Started: started, Boot: boot})
	if err != nil {
		return err
	}
	return os.WriteFile(recordPath(dir), content, 0o644)
}

// PID returns the host's number of the machine's first process, or 0 when the
// machine is off.
func PID(dir string) int {
	content, err := os.ReadFile(recordPath(dir))
	if err != nil {
		return 0
	}
	var r record
	if json.Unmarshal(content, &r) != nil {
		return 0
	}
	boot, err := bootID()
	if err != nil || boot != r.Boot {
		return 0
	}
	if started, err := startTime(r.PID); err != nil || started != r.Started {
		return 0
	}
	return r.PID
}

func bootID() (string, error) {
	content, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(content)), err
}

// startTime is field 22 of /proc/PID/stat; a zombie does not count as alive.
func startTime(pid int) (string, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	// The second field is the command in parentheses and may contain blanks.
	fields := bytes.Fields(content[bytes.LastIndexByte(content, ')')+1:])
	if len(fields) < 20 || string(fields[0]) == "Z" {
		return "", fmt.Errorf("process %d is not running", pid)
	}
	return string(fields[19]), nil
}
