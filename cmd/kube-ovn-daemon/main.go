// Command kube-ovn-daemon is the fabric's agent on every node: it keeps ovn0,
// routes and tunnel, and answers the CNI plugin.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.uber.org/zap/zapcore"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"hawser/internal/agent/options"
)

func main() {
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&zap.Options{TimeEncoder: zapcore.ISO8601TimeEncoder, StacktraceLevel: zapcore.PanicLevel})))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "kube-ovn-daemon:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	var o options.Options
	root := &cobra.Command{
		Use:           "kube-ovn-daemon",
		Short:         "Keep this node's part of the network and attach its pods",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Environment(os.LookupEnv)
			if err := o.Validate(); err != nil {
				return err
			}
			if ignored := o.Ignored(); len(ignored) > 0 {
				ctrl.Log.Info("flags without effect in this release", "flags", ignored)
			}
			err := run(cmd.Context(), o)
			if errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		},
	}
	o.Bind(root.Flags())
	root.AddCommand(installCommand())
	return root
}
