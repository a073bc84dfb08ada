package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hawser/test/sandbox/cluster"
	"hawser/test/sandbox/demo"
)

const defaultState = "/var/lib/hawser-sandbox"

// place is where the sandbox lies, from flags and environment.
type place struct{ state, source string }

func root() *cobra.Command {
	var p place
	command := &cobra.Command{
		Use:           "sandbox",
		Short:         "A real Kubernetes cluster of several nodes on this machine",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	state := os.Getenv("HAWSER_SANDBOX")
	if state == "" {
		state = defaultState
	}
	command.PersistentFlags().StringVar(&p.state, "state", state, "directory of the sandbox; another one is another sandbox (also $HAWSER_SANDBOX)")
	command.PersistentFlags().StringVar(&p.source, "source", os.Getenv("HAWSER_SOURCE"), "root of the source tree (default: found from here, also $HAWSER_SOURCE)")
	command.AddCommand(upCommand(&p), downCommand(&p), prepareCommand(&p), statusCommand(&p), kubeconfigCommand(&p), kubectlCommand(&p), helmCommand(&p),
		execCommand(&p), netnsCommand(&p), powerCommand(&p), lanCommand(&p), nicCommand(&p), hostCommand(&p), routerCommand(&p), loadCommand(&p), logsCommand(&p), reportCommand(&p), demoCommand(&p))
	return command
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// describe turns flags into what package cluster takes.
func (p *place) describe() (cluster.Place, error) {
	state, err := filepath.Abs(p.state)
	if err != nil {
		return cluster.Place{}, err
	}
	source, err := p.findSource()
	return cluster.Place{Dir: filepath.Clean(state), Source: source, Say: say}, err
}

// open describes a sandbox that must exist.
func (p *place) open() (*cluster.Cluster, error) {
	described, err := p.describe()
	if err != nil {
		return nil, err
	}
	return cluster.Open(described)
}

// findSource looks for our go.mod above the working directory and above the
// program, which make puts into bin.
func (p *place) findSource() (string, error) {
	if p.source != "" {
		return filepath.Abs(p.source)
	}
	working, _ := os.Getwd()
	program, _ := os.Executable()
	for _, start := range []string{working, filepath.Dir(program)} {
		for dir := start; dir != "/" && dir != "."; dir = filepath.Dir(dir) {
			content, err := os.ReadFile(filepath.Join(dir, "go.mod"))
			if err == nil && strings.HasPrefix(string(content), "module hawser\n") {
				return dir, nil
			}
		}
	}
	return "", errors.New("the source tree is not above this directory: say where with --source")
}

func upCommand(p *place) *cobra.Command {
	var options cluster.Options
	var fabric cluster.Fabric
	var bare bool
	command := &cobra.Command{
		Use: "up", Short: "Bring the cluster up, or to what is asked for now", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			described, err := p.describe()
			if err != nil {
				return err
			}
			fabric.Install = !bare
			return cluster.New(described).Up(command.Context(), options, fabric)
		},
	}
	flags := command.Flags()
	flags.IntVar(&options.Nodes, "nodes", 3, "number of workers, beside the control plane")
	flags.IntVar(&options.Masters, "masters", 1, "nodes that run OVN's databases, the control plane first: 1, 3 or 5")
	flags.StringVar(&options.Datapath, "datapath", "auto", "where Open vSwitch forwards: kernel, userspace, or auto")
	flags.StringVar(&options.Family, "ip-family", "dual", "ipv4, ipv6 or dual")
	flags.StringVar(&options.ProxyMode, "proxy-mode", "iptables", "kube-proxy's mode: iptables, nftables or ipvs")
	flags.BoolVar(&bare, "no-fabric", false, "leave our chart out: nodes stay NotReady")
	flags.StringArrayVar(&fabric.Values, "values", nil, "file of chart values, as helm takes it")
	flags.StringArrayVar(&fabric.Set, "set", nil, "chart value, as helm takes it")
	return command
}

func downCommand(p *place) *cobra.Command {
	return &cobra.Command{
		Use: "down", Short: "Take the cluster away, without a trace", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			described, err := p.describe()
			if err != nil {
				return err
			}
			return cluster.New(described).Down()
		},
	}
}

func statusCommand(p *place) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show the machines; fails when there is no sandbox or one of them is off", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			c, err := p.open()
			if err != nil {
				return err
			}
			return c.Status(command.OutOrStdout())
		},
	}
}

func kubeconfigCommand(p *place) *cobra.Command {
	return &cobra.Command{
		Use: "kubeconfig", Short: "Print the path of the kubeconfig, which is of use inside the sandbox's networks", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			c, err := p.open()
			if err == nil {
				fmt.Fprintln(command.OutOrStdout(), c.Kubeconfig())
			}
			return err
		},
	}
}

func kubectlCommand(p *place) *cobra.Command {
	return &cobra.Command{
		Use: "kubectl -- ARGS", Short: "Run kubectl with all rights",
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := p.open()
			if err != nil {
				return err
			}
			return c.BecomeKubectl(args)
		},
	}
}

func helmCommand(p *place) *cobra.Command {
	return &cobra.Command{
		Use: "helm -- ARGS", Short: "Run helm with all rights; our release is kube-ovn in kube-system",
		RunE: func(command *cobra.Command, args []string) error {
			c, err := p.open()
			if err != nil {
				return err
			}
			return c.BecomeHelm(command.Context(), args)
		},
	}
}

func execCommand(p *place) *cobra.Command {
	return &cobra.Command{
		Use: "exec MACHINE -- COMMAND", Short: "Run a command inside a machine (cp, n1, …, outside, a host) or a LAN (underlay, …), as root", Args: cobra.MinimumNArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := p.open()
			if err != nil {
				return err
			}
			return c.BecomeInMachine(args[0], args[1:])
		},
	}
}

func netnsCommand(p *place) *cobra.Command {
	return &cobra.Command{
		Use: "netns NAME -- COMMAND", Short: "Run a program of this host in the network of a machine or a LAN, with $KUBECONFIG set", Args: cobra.MinimumNArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := p.open()
			if err != nil {
				return err
			}
			return c.BecomeInNetwork(args[0], args[1:])
		},
	}
}

func powerCommand(p *place) *cobra.Command {
	command := &cobra.Command{Use: "power", Short: "Cut a machine's power, or boot it"}
	command.AddCommand(&cobra.Command{
		Use: "off MACHINE", Short: "Kill everything in it; NICs, namespaces and memory are gone, disks stay", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := p.open()
			if err != nil {
				return err
			}
			return c.PowerOff(args[0])
		},
	}, &cobra.Command{
		Use: "on MACHINE", Short: "Boot it with the same name, addresses and disks", Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			c, err := p.open()
			if err != nil {
				return err
			}
			return c.PowerOn(command.Context(), args[0])
		},
	})
	return command
}

func loadCommand(p *place) *cobra.Command {
	return &cobra.Command{
		Use: "load ARCHIVE…", Short: "Import image archives into every node", Args: cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			c, err := p.open()
			if err != nil {
				return err
			}
			return c.Load(command.Context(), args)
		},
	}
}

func logsCommand(p *place) *cobra.Command {
	return &cobra.Command{
		Use: "logs [MACHINE [SERVICE]]", Short: "List the log files, or print those of a machine or service", Args: cobra.MaximumNArgs(2),
		RunE: func(command *cobra.Command, args []string) error {
			c, err := p.open()
			if err != nil {
				return err
			}
			return c.Logs(command.OutOrStdout(), args)
		},
	}
}

func demoCommand(p *place) *cobra.Command {
	return &cobra.Command{
		Use: "demo", Short: "Two tenants with pods on all nodes, and a table of who reaches whom", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			c, err := p.open()
			if err != nil {
				return err
			}
			return demo.Run(command.Context(), c, command.OutOrStdout())
		},
	}
}

func reportCommand(p *place) *cobra.Command {
	var out string
	command := &cobra.Command{
		Use: "report", Short: "Write a tarball with logs, objects, OVN and OVS databases and the machines' networks", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			c, err := p.open()
			if err != nil {
				return err
			}
			if out == "" {
				out = filepath.Join(os.TempDir(), "sandbox-report-"+time.Now().UTC().Format("20060102-150405")+".tar.gz")
			}
			if err := c.Report(command.Context(), out); err != nil {
				return err
			}
			fmt.Fprintln(command.OutOrStdout(), out)
			return nil
		},
	}
	command.Flags().StringVar(&out, "out", "", "file to write (default: a new one in the temporary directory)")
	return command
}
