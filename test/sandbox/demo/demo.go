package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"hawser/test/sandbox/cluster"
)

// Run sets the scene up, tries every path and prints the table. It fails when
// one of them does not work.
func Run(ctx context.Context, c *cluster.Cluster, out io.Writer) error {
	begin := time.Now()
	if err := setUp(ctx, c); err != nil {
		return err
	}
	ready := time.Now()
	fmt.Fprintf(out, "%6.1fs  tenants and %d pods Ready\n", ready.Sub(begin).Seconds(), len(pods(c.Workers())))
	probes, err := plan(ctx, c)
	if err != nil {
		return err
	}
	results := try(ctx, c, probes)
	fmt.Fprintf(out, "%6.1fs  %d paths tried\n\n", time.Since(ready).Seconds(), len(results))
	if err := table(out, c.Families(), results); err != nil {
		return err
	}
	return firstFailure(results)
}

func firstFailure(results []result) error {
	failed := 0
	var first error
	for _, r := range results {
		if r.err != nil {
			failed++
			first = errors.Join(first, fmt.Errorf("%s, IPv%d, %s to %s: %w", r.what, r.family, r.from, r.to, r.err))
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d paths do not work:\n%w", failed, len(results), first)
	}
	return nil
}
