// Package program is what the fabric's programs have in common before they
// differ: log, signals, the frame of the command line, and the way to the API
// server. It knows nothing of what they do.
package program

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
)

// Main carries out a command line, to its end or to a signal's, and ends the
// process.
func Main(command *cobra.Command) {
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&zap.Options{TimeEncoder: zapcore.ISO8601TimeEncoder, StacktraceLevel: zapcore.PanicLevel})))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := command.ExecuteContext(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", command.Name(), err)
		os.Exit(1)
	}
}

// Options are a program's, whose flags are bound already.
type Options interface {
	Environment(lookup func(string) (string, bool))
	Validate() error
	Ignored() []string // flags that have no effect
}

// Command reads the options and runs the program; that its context ended is no
// error.
func Command(use, short string, o Options, run func(context.Context) error) *cobra.Command {
	return &cobra.Command{
		Use:           use,
		Short:         short,
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
			err := run(cmd.Context())
			if errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		},
	}
}
