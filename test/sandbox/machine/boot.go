package machine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"hawser/test/sandbox/lab"
)

// stopWithin is how long processes may take to die after SIGKILL: longer than
// the kernel ever needs, shorter than a person's patience.
const stopWithin = 20 * time.Second

// Host is where machines are kept.
type Host struct {
	// Parent is the cgroup that all machines' groups are in.
	Parent Group
}

// Group is the machine's cgroup.
func (h Host) Group(name string) Group { return h.Parent + "/" + Group(name) }

// Boot starts a machine whose network namespace is there already, and returns
// when its first process has a root of its own and goes on to start services.
func (h Host) Boot(spec Spec, netns string) error {
	if err := h.prepare(spec); err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(spec.Dir, "init.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	specIn, specOut, err := os.Pipe()
	if err != nil {
		return err
	}
	defer specOut.Close()
	verdictIn, verdictOut, err := os.Pipe()
	if err != nil {
		return err
	}
	defer verdictIn.Close()
	command := firstProcess(spec.Name, log, specIn, verdictOut)
	err = lab.Do(netns, command.Start)
	specIn.Close()
	verdictOut.Close()
	if err != nil {
		return fmt.Errorf("start machine %s: %w", spec.Name, err)
	}
	defer command.Process.Release() // it is to outlive us
	if err := h.hand(spec, command.Process.Pid, specOut); err != nil {
		_ = command.Process.Kill()
		return err
	}
	return awaitVerdict(spec, verdictIn)
}

// prepare makes the machine's cgroup and its directories on disk.
func (h Host) prepare(spec Spec) error {
	for _, name := range spec.Disks {
		if err := os.MkdirAll(filepath.Join(spec.Dir, "disk", name), 0o755); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(spec.Dir, "root"), 0o755); err != nil {
		return err
	}
	return h.Group(spec.Name).create()
}

// firstProcess is this program in new namespaces. The network namespace is the
// one that the starting thread is in.
func firstProcess(name string, log, spec, verdict *os.File) *exec.Cmd {
	command := exec.Command("/proc/self/exe")
	command.Args = []string{stageOne, name}
	command.Env = []string{}
	command.Dir = "/"
	command.Stdout, command.Stderr = log, log
	command.ExtraFiles = []*os.File{spec, verdict} // 3 and 4
	command.SysProcAttr = &unix.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
		Setsid:     true,
	}
	return command
}

// hand puts the first process into its cgroup, records it, and gives it the
// spec, which it waits for.
func (h Host) hand(spec Spec, pid int, to io.WriteCloser) error {
	if err := h.Group(spec.Name).add(pid); err != nil {
		return err
	}
	if err := writeRecord(spec.Dir, pid); err != nil {
		return err
	}
	if err := json.NewEncoder(to).Encode(spec); err != nil {
		return fmt.Errorf("machine %s ended before it took its spec: see %s/init.log: %w", spec.Name, spec.Dir, err)
	}
	return to.Close()
}

// awaitVerdict reads until stage 1 has become stage 2, which closes the pipe:
// "up" means that, anything else is what went wrong.
func awaitVerdict(spec Spec, from io.Reader) error {
	verdict, err := io.ReadAll(from)
	switch {
	case err != nil:
		return err
	case string(verdict) == "up":
		return nil
	case len(verdict) == 0:
		return fmt.Errorf("machine %s died while booting: see %s/init.log", spec.Name, spec.Dir)
	}
	return fmt.Errorf("boot machine %s: %s", spec.Name, strings.TrimSpace(string(verdict)))
}

// PowerOff cuts a machine's power: everything in it is killed at once and its
// mounts go with the last process. Its disks and its network namespace stay.
func (h Host) PowerOff(name, dir string) error {
	err := h.Group(name).Destroy(stopWithin)
	if err != nil {
		return fmt.Errorf("power off %s: %w", name, err)
	}
	if err := os.Remove(recordPath(dir)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
