package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// ticks is how many units of CPU time /proc counts in a second (USER_HZ, fixed
// at 100 on Linux).
const ticks = 100

// cpu is the CPU time that a process has used so far, user and system.
func cpu(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The name, in parentheses, may hold blanks: count fields after it.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / ticks
}

// peakMemory is the largest resident set of a process, in MiB.
func peakMemory(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.Atoi(strings.Fields(rest)[0])
			return kib / 1024
		}
	}
	return 0
}

// usage is CPU time by process name.
type usage map[string]time.Duration

// measure reads the CPU time of a set of processes.
func measure(pids map[string]int) usage {
	u := usage{}
	for name, pid := range pids {
		u[name] = cpu(pid)
	}
	return u
}

// since subtracts an earlier reading.
func (u usage) since(before usage) usage {
	d := usage{}
	for name, now := range u {
		d[name] = now - before[name]
	}
	return d
}

// sum is that of all processes.
func (u usage) sum() (all time.Duration) {
	for _, spent := range u {
		all += spent
	}
	return all
}
