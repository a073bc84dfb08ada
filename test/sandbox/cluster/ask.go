package cluster

import (
	"context"
	"fmt"
	"strings"
)

// Apply sends manifests to the API server.
func (c *Cluster) Apply(ctx context.Context, manifests string) error {
	_, err := c.kubectl(ctx, manifests, "apply", "-f", "-")
	return err
}

// Output runs a command inside a machine and returns what it printed.
func (c *Cluster) Output(ctx context.Context, machine string, args ...string) (string, error) {
	command, err := c.InMachine(ctx, machine, args...)
	if err != nil {
		return "", err
	}
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		return string(out), fmt.Errorf("%s on %s: %w: %s", args[0], machine, err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

// Workers are the names of the nodes that take pods.
func (c *Cluster) Workers() []string { return c.options.workers() }

// Families are the cluster's address families, 4 and 6, the primary one first.
func (c *Cluster) Families() []int { return pick(c.options, 4, 6) }

// Address is a machine's address of a family, or empty.
func (c *Cluster) Address(machine string, family int) string {
	for _, address := range c.options.addresses(machine) {
		if address.Addr().Is4() == (family == 4) {
			return address.Addr().String()
		}
	}
	return ""
}

// Outside is the host beyond the gateway.
const Outside = outside

// DNSService is the address of the cluster's DNS service of a family.
func DNSService(family int) string {
	if family == 4 {
		return dns4
	}
	return dns6
}
