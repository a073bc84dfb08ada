// Command kube-ovn-daemon is the fabric's agent on every node: it keeps ovn0,
// routes and tunnel, and answers the CNI plugin.
package main

import (
	"context"

	"github.com/spf13/cobra"

	"hawser/cmd/internal/program"
	"hawser/internal/agent/options"
)

func main() { program.Main(command()) }

func command() *cobra.Command {
	var o options.Options
	root := program.Command("kube-ovn-daemon", "Keep this node's part of the network and attach its pods", &o,
		func(ctx context.Context) error { return run(ctx, o) })
	o.Bind(root.Flags())
	root.AddCommand(installCommand())
	return root
}
