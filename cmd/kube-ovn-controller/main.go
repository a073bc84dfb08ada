// Command kube-ovn-controller is the cluster's side of the fabric: it gives out
// addresses and writes OVN's northbound database. Of several replicas one
// leads.
package main

import (
	"context"
	"flag"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"hawser/cmd/internal/program"
	"hawser/internal/controller/options"
)

func main() { program.Main(command()) }

func command() *cobra.Command {
	var o options.Options
	root := program.Command("kube-ovn-controller", "Give out addresses and write OVN's northbound database", &o,
		func(ctx context.Context) error { return run(ctx, o) })
	flags := flag.NewFlagSet(root.Name(), flag.ContinueOnError)
	o.Bind(flags)
	root.Flags().AddGoFlagSet(flags)
	root.Flags().VisitAll(func(f *pflag.Flag) { f.Hidden = f.Usage == options.NotBuilt })
	root.AddCommand(&cobra.Command{
		Use:   "cleanup",
		Short: "Take our finalizers off all objects, so that they can be deleted without us",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cleanup(cmd.Context()) },
	})
	return root
}
