package cluster

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// chart is where our chart lies in the source tree; release is what helm
// calls its installation.
const (
	chart   = "charts/kube-ovn"
	release = "kube-ovn"
	images  = "dist/*-amd64.tar"
)

// install installs or upgrades our chart as a user would, with helm.
func (c *Cluster) install(ctx context.Context, fabric Fabric) error {
	path := filepath.Join(c.source, chart)
	if _, err := os.Stat(filepath.Join(path, "Chart.yaml")); err != nil {
		return fmt.Errorf("no chart at %s: leave it out with --no-fabric", path)
	}
	if own, _ := filepath.Glob(filepath.Join(c.source, images)); len(own) == 0 {
		return fmt.Errorf("there are no images of ours in %s: run 'make images', or leave the fabric out with --no-fabric", filepath.Join(c.source, images))
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
	if err := c.unblock(ctx); err != nil {
		return err
	}
	command := exec.CommandContext(ctx, c.tools.Helm, args...)
	if _, err := c.inNetwork(command, controlPlane); err != nil {
		return err
	}
	return c.replace(ctx)
}

// unblock removes helm's record of an installation that was killed half-way,
// which would make it refuse every other. Its objects carry the release's name
// and are taken over by the next; that no other helm runs, our lock sees to.
func (c *Cluster) unblock(ctx context.Context) error {
	_, err := c.Kubectl(ctx, "-n", "kube-system", "delete", "secret", "--ignore-not-found", "-l",
		"owner=helm,name="+release+",status in (pending-install,pending-upgrade,pending-rollback)")
	return err
}

// workloads are what runs from an archive of ours. A tag stays the same while
// one works on it, so that helm sees no reason to replace anything.
var workloads = map[string][]string{
	"kube-ovn-amd64.tar": {"deployment/kube-ovn-controller", "deployment/ovn-central", "daemonset/kube-ovn-cni"},
	"ovn-amd64.tar":      {"deployment/ovn-central", "daemonset/ovs-ovn"},
}

// replace starts anew what runs from an older image than the nodes now have.
func (c *Cluster) replace(ctx context.Context) error {
	again := map[string]bool{}
	for _, archive := range c.renewed {
		for _, workload := range workloads[archive] {
			again[workload] = true
		}
	}
	for _, workload := range slices.Sorted(maps.Keys(again)) {
		if err := c.restart(ctx, workload); err != nil {
			return err
		}
	}
	return nil
}

// restart replaces a workload's pods that are older than this call. Those of
// Open vSwitch wait for their deletion, so that no upgrade cuts the network by
// itself; here it is asked for.
func (c *Cluster) restart(ctx context.Context, workload string) error {
	const old = `{range .items[?(@.status.phase=="Running")]}{.metadata.name} {end}`
	if workload != "daemonset/ovs-ovn" {
		_, err := c.Kubectl(ctx, "-n", "kube-system", "rollout", "restart", workload)
		return err
	}
	pods, err := c.Kubectl(ctx, "-n", "kube-system", "get", "pods", "-l", "app=ovs", "-o", "jsonpath="+old)
	if err != nil || len(strings.Fields(pods)) == 0 {
		return err
	}
	_, err = c.Kubectl(ctx, append([]string{"-n", "kube-system", "delete", "pod"}, strings.Fields(pods)...)...)
	return err
}

// awaitRollout waits until everything of ours runs as the chart now says.
func (c *Cluster) awaitRollout(ctx context.Context) error {
	for _, workload := range []string{"daemonset/ovs-ovn", "deployment/ovn-central", "deployment/kube-ovn-controller", "daemonset/kube-ovn-cni"} {
		args := []string{"-n", "kube-system", "rollout", "status", workload, "--timeout=180s"}
		if workload == "daemonset/ovs-ovn" { // OnDelete has no rollout to speak of
			ready := fmt.Sprintf("--for=jsonpath={.status.numberReady}=%d", len(c.options.nodes()))
			args = []string{"-n", "kube-system", "wait", ready, workload, "--timeout=180s"}
		}
		if _, err := c.Kubectl(ctx, args...); err != nil {
			return fmt.Errorf("%w: run 'sandbox kubectl -- -n kube-system describe pods'", err)
		}
	}
	return nil
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

// readyWithin is how long the fabric may take to make all nodes Ready: the
// first time its databases, and every node's Open vSwitch, start from nothing.
const readyWithin = 5 * time.Minute

// awaitReady waits until all nodes are Ready, and tells what it waits for.
func (c *Cluster) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyWithin, fmt.Errorf("after %v", readyWithin))
	defer cancel()
	const ready = `{range .items[*]}{.status.conditions[?(@.type=="Ready")].status} {end}`
	waitingFor := ""
	for {
		out, err := c.Kubectl(ctx, "get", "nodes", "-o", "jsonpath="+ready)
		statuses := strings.Fields(out)
		good := strings.Count(out, "True")
		if err == nil && good == len(statuses) && good >= len(c.options.nodes()) {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%w only %s: run 'sandbox kubectl -- -n kube-system describe pods', or 'sandbox report'", context.Cause(ctx), waitingFor)
		}
		if now := fmt.Sprintf("%d of %d nodes are Ready%s", good, len(c.options.nodes()), c.unready(ctx)); now != waitingFor {
			waitingFor = now
			c.say("         %s", now)
		}
		pause(ctx, time.Second)
	}
}

// unready tells which parts of the system do not run yet, and what is wrong
// with them where it is more than that they start.
func (c *Cluster) unready(ctx context.Context) string {
	out, err := c.Kubectl(ctx, "-n", "kube-system", "get", "pods", "--no-headers", "-L", "app")
	if err != nil {
		return ""
	}
	counts := map[string]int{}
	for _, line := range strings.Split(out, "\n") {
		if part := startingPart(strings.Fields(line)); part != "" {
			counts[part]++
		}
	}
	var parts []string
	for _, part := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s ×%d", part, counts[part]))
	}
	if len(parts) == 0 {
		return ""
	}
	return "; not ready: " + strings.Join(parts, ", ")
}

// startingPart reads a line of kubectl's: name, ready, status, restarts, age,
// app. Pods without the label app are not ours.
func startingPart(fields []string) string {
	if len(fields) < 6 {
		return ""
	}
	ready, status, app := fields[1], fields[2], fields[len(fields)-1]
	if have, want, _ := strings.Cut(ready, "/"); have == want || status == "Completed" || strings.HasPrefix(app, "<") {
		return ""
	}
	switch status {
	case "Pending", "ContainerCreating", "PodInitializing", "Running", "Terminating":
		return app
	}
	if strings.HasPrefix(status, "Init:") && strings.Contains(status, "/") {
		return app
	}
	return app + " (" + status + ")"
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// awaitDNS waits until both replicas of CoreDNS have a network and answer.
func (c *Cluster) awaitDNS(ctx context.Context) error {
	_, err := c.Kubectl(ctx, "-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=120s")
	if err != nil {
		return fmt.Errorf("%w: run 'sandbox kubectl -- -n kube-system describe pods -l k8s-app=kube-dns'", err)
	}
	return nil
}
