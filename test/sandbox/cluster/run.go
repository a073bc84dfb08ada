package cluster

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"hawser/test/sandbox/lab"
)

// Kubectl runs kubectl with all rights and returns what it printed.
func (c *Cluster) Kubectl(ctx context.Context, args ...string) (string, error) {
	return c.kubectl(ctx, "", args...)
}

func (c *Cluster) kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	program, err := c.kubectlPath()
	if err != nil {
		return "", err
	}
	command := exec.CommandContext(ctx, program, args...)
	command.Stdin = strings.NewReader(stdin)
	return c.inNetwork(command, controlPlane)
}

// kubectlPath is beside the programs that the control plane runs.
func (c *Cluster) kubectlPath() (string, error) {
	if c.tools.Kubernetes == "" {
		pid, err := c.running(controlPlane)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("/proc/%d/root%s/kubectl", pid, kubernetesDir), nil
	}
	return filepath.Join(c.tools.Kubernetes, "kubectl"), nil
}

// inNetwork runs a program of the host in a machine's network, with the
// kubeconfig in its environment, and returns what it printed.
func (c *Cluster) inNetwork(command *exec.Cmd, machine string) (string, error) {
	command.Env = c.clientEnvironment()
	if c.held != nil { // should we be killed, the lock is its until it ends
		command.ExtraFiles = []*os.File{c.held}
	}
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := lab.Do(c.Namespace(machine), command.Start); err != nil {
		return "", err
	}
	if err := command.Wait(); err != nil {
		return stdout.String(), fmt.Errorf("%s %s: %w: %s", filepath.Base(command.Path), strings.Join(command.Args[1:], " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// clientEnvironment is ours with the sandbox's kubeconfig, and without what
// would send requests elsewhere: no proxy is reached from in there.
func (c *Cluster) clientEnvironment() []string {
	var environment []string
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if name != "KUBECONFIG" && !strings.HasSuffix(strings.ToUpper(name), "_PROXY") {
			environment = append(environment, variable)
		}
	}
	return append(environment, "KUBECONFIG="+c.Kubeconfig())
}

// InMachine is a command inside a machine: in its namespaces, with its root.
// Inside a LAN, which has no programs, it is one of the outside machine's.
func (c *Cluster) InMachine(ctx context.Context, name string, args ...string) (*exec.Cmd, error) {
	argv, err := c.entry(name, args)
	if err != nil {
		return nil, err
	}
	return c.command(ctx, argv), nil
}

// inside is a command in the namespaces of a machine's first process.
func (c *Cluster) inside(ctx context.Context, pid int, args ...string) (*exec.Cmd, error) {
	argv, err := enterArgs(pid, "", args)
	if err != nil {
		return nil, err
	}
	return c.command(ctx, argv), nil
}

func (c *Cluster) command(ctx context.Context, argv []string) *exec.Cmd {
	command := exec.CommandContext(ctx, argv[0], argv[1:]...)
	command.Env = c.machineEnvironment()
	return command
}

// entry is what runs a command inside a machine or a LAN.
func (c *Cluster) entry(name string, args []string) ([]string, error) {
	network := ""
	if slices.Contains(c.added.AllLANs(), name) {
		network, name = c.Namespace(name), outside
	}
	pid, err := c.running(name)
	if err != nil {
		return nil, err
	}
	return enterArgs(pid, network, args)
}

// enterArgs are what runs a command in the namespaces of a process, or in all
// of them but that of the network, which lies at a path.
func enterArgs(pid int, network string, args []string) ([]string, error) {
	nsenter, err := exec.LookPath("nsenter")
	if err != nil {
		return nil, fmt.Errorf("%w: run 'apt-get install util-linux'", err)
	}
	net := "--net"
	if network != "" {
		net += "=" + network
	}
	return append([]string{nsenter, "--target", strconv.Itoa(pid), "--mount", "--uts", "--ipc", net, "--pid", "--cgroup", "--"}, args...), nil
}

func (c *Cluster) machineEnvironment() []string {
	environment := []string{"PATH=" + searchPath, "HOME=/root", "LANG=C.UTF-8"}
	if term := os.Getenv("TERM"); term != "" {
		environment = append(environment, "TERM="+term)
	}
	return environment
}

// BecomeInMachine replaces this program by a command inside a machine.
func (c *Cluster) BecomeInMachine(name string, args []string) error {
	argv, err := c.entry(name, args)
	if err != nil {
		return err
	}
	return unix.Exec(argv[0], argv, c.machineEnvironment())
}

// BecomeInNetwork replaces this program by a program of the host that stands
// in a machine's network, or in the LAN's, and finds the cluster by itself.
func (c *Cluster) BecomeInNetwork(name string, args []string) error {
	program, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	if err := lab.Enter(c.Namespace(name)); err != nil {
		return err
	}
	return unix.Exec(program, args, c.clientEnvironment())
}

// BecomeKubectl replaces this program by kubectl.
func (c *Cluster) BecomeKubectl(args []string) error {
	program, err := c.kubectlPath()
	if err != nil {
		return err
	}
	return c.becomeClient(program, args)
}

// BecomeHelm replaces this program by helm, building it where it is not there.
func (c *Cluster) BecomeHelm(ctx context.Context, args []string) error {
	if err := c.build(ctx); err != nil {
		return err
	}
	return c.becomeClient(c.tools.Helm, args)
}

func (c *Cluster) becomeClient(program string, args []string) error {
	runtime.LockOSThread()
	if err := lab.Enter(c.Namespace(controlPlane)); err != nil {
		return err
	}
	return unix.Exec(program, append([]string{filepath.Base(program)}, args...), c.clientEnvironment())
}
