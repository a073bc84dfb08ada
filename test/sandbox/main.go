// Program sandbox makes a real Kubernetes cluster of several nodes on one
// Linux machine, with our fabric in it, and takes it away again without a trace.
//
// See README.md in this directory for how it is used, and the packages cluster,
// machine and lab for how it works.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"hawser/test/sandbox/machine"
)

func main() {
	machine.Enter() // returns unless we are a machine's first process
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := root().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		os.Exit(1)
	}
}
