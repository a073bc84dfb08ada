package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// Options are what a user decides about a cluster. They are kept for its
// lifetime; only the number of nodes and masters may grow.
type Options struct {
	Nodes int `json:"nodes"`
	// Masters is how many nodes, the control plane first, run OVN's databases.
	Masters   int    `json:"masters"`
	Family    string `json:"ipFamily"`
	Datapath  string `json:"datapath"`
	ProxyMode string `json:"proxyMode"`
}

// Check says what is wrong with the options.
func (o Options) Check() error {
	if o.Nodes < 1 || o.Nodes > 200 {
		return fmt.Errorf("--nodes %d: give 1 to 200", o.Nodes)
	}
	if o.Masters < 1 || o.Masters > o.Nodes+1 || o.Masters%2 == 0 {
		return fmt.Errorf("--masters %d: give an odd number, at most one more than --nodes", o.Masters)
	}
	for flag, choice := range map[string]struct {
		value   string
		allowed []string
	}{
		"ip-family":  {o.Family, []string{"ipv4", "ipv6", "dual"}},
		"datapath":   {o.Datapath, []string{"auto", "kernel", "userspace"}},
		"proxy-mode": {o.ProxyMode, []string{"iptables", "nftables", "ipvs"}},
	} {
		if !slices.Contains(choice.allowed, choice.value) {
			return fmt.Errorf("--%s %q: give one of %v", flag, choice.value, choice.allowed)
		}
	}
	return nil
}

// fits tells whether a running cluster can become what is asked for.
func (o Options) fits(asked Options) error {
	if o.Family != asked.Family || o.Datapath != asked.Datapath || o.ProxyMode != asked.ProxyMode {
		return fmt.Errorf("the sandbox has --ip-family %s --datapath %s --proxy-mode %s and cannot change that: run 'sandbox down' first", o.Family, o.Datapath, o.ProxyMode)
	}
	if asked.Nodes < o.Nodes {
		return fmt.Errorf("the sandbox has %d nodes and cannot lose any: run 'sandbox down' first, or 'sandbox power off n%d'", o.Nodes, o.Nodes)
	}
	if asked.Masters < o.Masters {
		return fmt.Errorf("the sandbox has %d masters and cannot lose any: run 'sandbox down' first", o.Masters)
	}
	return nil
}

// masters are the nodes that run OVN's databases.
func (o Options) masters() []string { return o.nodes()[:o.Masters] }

// Names of machines that are not workers.
const (
	controlPlane = "cp"
	outside      = "outside"
)

// workers are n1, n2 and so on.
func (o Options) workers() []string {
	names := make([]string, 0, o.Nodes)
	for i := range o.Nodes {
		names = append(names, "n"+strconv.Itoa(i+1))
	}
	return names
}

// nodes are all machines that run a kubelet.
func (o Options) nodes() []string { return append([]string{controlPlane}, o.workers()...) }

// machines are all machines.
func (o Options) machines() []string { return append(o.nodes(), outside) }

const optionsFile = "cluster.json"

// errNone is the answer where no sandbox is.
var errNone = errors.New("no sandbox is here: run 'sandbox up'")

// load reads the options of the sandbox in dir. Its file is also the mark that
// the directory is ours to change and to remove.
func load(dir string) (Options, error) {
	var o Options
	content, err := os.ReadFile(filepath.Join(dir, optionsFile))
	if errors.Is(err, os.ErrNotExist) {
		entries, err := os.ReadDir(dir)
		if err == nil && len(entries) > 0 {
			return o, fmt.Errorf("%s is not a sandbox's directory and is left alone: choose another with --state", dir)
		}
		return o, errNone
	}
	if err != nil {
		return o, err
	}
	if err := json.Unmarshal(content, &o); err != nil {
		return o, fmt.Errorf("read %s/%s: %w", dir, optionsFile, err)
	}
	return o, nil
}

func (o Options) save(dir string) error {
	content, err := json.MarshalIndent(o, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, optionsFile), append(content, '\n'), 0o644)
}
