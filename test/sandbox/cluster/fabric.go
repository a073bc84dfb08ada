package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// chart is where our chart lies in the source tree; release is what helm
// calls its installation.
const (
	chart   = "charts/kube-ovn"
	release = "kube-ovn"
)

// install installs or upgrades our chart as a user would, with helm.
func (c *Cluster) install(ctx context.Context, fabric Fabric) error {
	path := filepath.Join(c.source, chart)
	if _, err := os.Stat(filepath.Join(path, "Chart.yaml")); err != nil {
		return fmt.Errorf("no chart at %s: leave it out with --no-fabric", path)
	}
	args := []string{"upgrade", "--install", release, path, "--namespace", "kube-system", "--timeout", "5m"}
	for _, value := range c.chartValues() {
		args = append(args, "--set-string", value)
	}
	for _, file := range fabric.Values {
		args = append(args, "--values", file)
	}
	for _, value := range fabric.Set {
		args = append(args, "--set", value)
	}
	command := exec.CommandContext(ctx, c.tools.Helm, args...)
	command.Env = os.Environ()
	_, err := c.inNetwork(command, controlPlane)
	return err
}

// chartValues are what the sandbox knows and a user would look up.
func (c *Cluster) chartValues() []string {
	stack := map[string]string{"ipv4": "IPv4", "ipv6": "IPv6", "dual": "Dual"}[c.options.Family]
	return []string{
		"ovs.datapath=" + c.options.Datapath,
		"networking.stack=" + stack,
		"networking.pods.cidr.v4=" + pods4, "networking.pods.cidr.v6=" + pods6,
		"networking.services.cidr.v4=" + services4, "networking.services.cidr.v6=" + services6,
	}
}
