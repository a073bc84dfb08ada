package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"hawser/test/sandbox/machine"
	"hawser/test/sandbox/tools"
	"hawser/test/sandbox/wiring"
)

const corednsTag = tools.CoreDNSTag

// Cluster is one sandbox. Its methods are safe against a second program that
// works on the same one: those that change it take its lock.
type Cluster struct {
	dir     string
	source  string
	options Options
	added   wiring.Wiring
	say     func(format string, args ...any)

	host      machine.Host
	tools     tools.Set
	authority authority

	// held is the lock, while this program has it.
	held *os.File

	mu sync.Mutex
	// renewed are the archives that this program imported into some node.
	renewed []string
}

// Place is where a sandbox lies and who tells about it.
type Place struct {
	// Dir is the sandbox's directory. Its base name is also that of its cgroup,
	// so that two sandboxes need different ones.
	Dir string
	// Source is the root of the source tree.
	Source string
	// Say shows progress to a person.
	Say func(format string, args ...any)
}

// New describes the sandbox at a place, whether it exists or not.
func New(place Place) *Cluster {
	return &Cluster{
		dir: place.Dir, source: place.Source, say: place.Say,
		host: machine.Host{Parent: group(place.Dir)},
	}
}

// group is the cgroup of a sandbox, whose prefix keeps one that lies in a
// directory of any name from meaning a group of the host's.
func group(dir string) machine.Group {
	name := filepath.Base(dir)
	if !strings.HasPrefix(name, "hawser") {
		name = "hawser-" + name
	}
	return machine.Group(name)
}

// Open describes a sandbox that exists.
func Open(place Place) (*Cluster, error) {
	c := New(place)
	var err error
	if c.options, err = load(c.dir); err != nil {
		return c, err
	}
	c.added, err = wiring.Load(c.dir)
	return c, err
}

func (c *Cluster) machineDir(name string) string { return filepath.Join(c.dir, "machines", name) }

// Namespace is the file that keeps the network namespace of a machine or a LAN.
func (c *Cluster) Namespace(name string) string { return filepath.Join(c.dir, "netns", name) }

// Kubeconfig is the file with which the cluster can be administered from
// inside its network.
func (c *Cluster) Kubeconfig() string { return filepath.Join(c.dir, "kubeconfig") }

// Machines are the names of all machines, control plane first, those that were
// added last.
func (c *Cluster) Machines() []string {
	return append(c.options.machines(), c.added.MachineNames()...)
}

// known checks a name that a user gave.
func (c *Cluster) known(name string) error {
	for _, machine := range c.Machines() {
		if machine == name {
			return nil
		}
	}
	return fmt.Errorf("there is no machine %q: give one of %s", name, strings.Join(c.Machines(), " "))
}

// PID is the host's number of a machine's first process, or 0 when it is off.
func (c *Cluster) PID(name string) int { return machine.PID(c.machineDir(name)) }

// running returns the first process of a machine that must be on.
func (c *Cluster) running(name string) (int, error) {
	if err := c.known(name); err != nil {
		return 0, err
	}
	pid := c.PID(name)
	if pid == 0 {
		return 0, fmt.Errorf("%s is off: run 'sandbox power on %s'", name, name)
	}
	return pid, nil
}

// lock keeps other programs from changing the sandbox until unlock is called.
// It lies beside the directory, which down removes.
func (c *Cluster) lock() (unlock func(), err error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("namespaces, mounts and cgroups need root: run it with sudo")
	}
	if err := os.MkdirAll(filepath.Dir(c.dir), 0o755); err != nil {
		return nil, err
	}
	for {
		file, err := os.OpenFile(c.lockPath(), os.O_CREATE|os.O_RDWR, 0o644)
		if err != nil {
			return nil, err
		}
		if unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
			c.say("waiting for another sandbox command to end")
			if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
				return nil, errors.Join(err, file.Close())
			}
		}
		if same(file, c.lockPath()) {
			c.held = file
			return func() { c.held = nil; file.Close() }, nil
		}
		file.Close() // down removed it while we waited: what we hold locks nobody out
	}
}

func (c *Cluster) lockPath() string { return c.dir + ".lock" }

func same(file *os.File, path string) bool {
	open, err := file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(open, there)
}
