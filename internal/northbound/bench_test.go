package northbound

import (
	"fmt"
	"testing"
	"time"

	"hawser/internal/logical"
	"hawser/test/ovntest"
)

// cluster is a network of 100 nodes and 20 subnets to put pods into.
func cluster(b *testing.B, c *Client) {
	var s logical.State
	for i := range 20 {
		s.Switches = append(s.Switches, logical.Switch{Name: fmt.Sprintf("net%d", i)})
	}
	for i := range 100 {
		s.PortGroups = append(s.PortGroups, logical.PortGroup{Name: fmt.Sprintf("node.n%d", i)})
	}
	apply(b, c, owner("Base", "b"), s)
}

func clusterPod(i int) logical.State {
	s := podState(i, fmt.Sprintf("node.n%d", i%100))
	s.SwitchPorts[0].Switch = fmt.Sprintf("net%d", i%20)
	return s
}

// BenchmarkApplyPods creates pods, finds them as they should be and deletes
// them, with as many in place before as the name says. The time of an operation
// is that of one pod.
func BenchmarkApplyPods(b *testing.B) {
	for _, there := range []int{1000, 10000} {
		db := ovntest.Northbound(b)
		c := dial(b, db)
		cluster(b, c)
		create := func(i int) (int, error) { return c.Apply(b.Context(), pod(i), clusterPod(i)) }
		inParallel(b, there, 64, create)
		run := func(what string, do func(i int) (int, error)) {
			b.Run(fmt.Sprintf("%s/there=%d", what, there), func(b *testing.B) {
				before := count(c, "committed")
				inParallel(b, b.N, 64, func(i int) (int, error) { return do(there + i) })
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pods/s")
				b.ReportMetric((count(c, "committed")-before)/float64(b.N), "transactions/pod")
			})
		}
		run("create", create)
		run("unchanged", func(i int) (int, error) { return create(i % there) })
		run("delete", func(i int) (int, error) { return c.Apply(b.Context(), pod(i), logical.State{}) })
		began := time.Now()
		again := dial(b, db)
		b.Logf("a new client has read %d pods after %s", len(again.Owners())-1, time.Since(began))
	}
}
