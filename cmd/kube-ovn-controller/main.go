// Command kube-ovn-controller is the cluster's side of the fabric: it gives out
// addresses and writes OVN's northbound database. Of several replicas one
// leads.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.uber.org/zap/zapcore"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"hawser/internal/controller/options"
)

func main() {
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&zap.Options{TimeEncoder: zapcore.ISO8601TimeEncoder, StacktraceLevel: zapcore.PanicLevel})))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "kube-ovn-controller:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	var o options.Options
	root := &cobra.Command{
		Use:           "kube-ovn-controller",
		Short:         "Give out addresses and write OVN's northbound database",
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
