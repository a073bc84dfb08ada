package northbound

import (
	"fmt"
	"os"
	"strconv"
	"strings"
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
				before, client, server := count(c, "committed"), cpu(b, os.Getpid()), cpu(b, db.Process())
				inParallel(b, b.N, 64, func(i int) (int, error) { return do(there + i) })
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pods/s")
				b.ReportMetric((count(c, "committed")-before)/float64(b.N), "transactions/pod")
				b.ReportMetric(float64((cpu(b, os.Getpid())-client).Microseconds())/float64(b.N), "client-µs/pod")
				b.ReportMetric(float64((cpu(b, db.Process())-server).Microseconds())/float64(b.N), "server-µs/pod")
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

// cpu is the time that a process has had a processor, which unlike the clock
// does not depend on what else the machine does. Its grain is 10 ms.
func cpu(b *testing.B, process int) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", process))
	if err != nil {
		b.Fatal(err)
	}
	_, text, _ := strings.Cut(string(stat), ") ") // proc(5): fields 14 and 15 of all, in hundredths of a second
	fields := strings.Fields(text)
	ticks := 0
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
