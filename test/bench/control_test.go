package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// scale divides the sizes, for a quick look: HAWSER_BENCH_SCALE=10.
func scale() int {
	n, err := strconv.Atoi(os.Getenv("HAWSER_BENCH_SCALE"))
	return max(1, map[bool]int{true: n, false: 1}[err == nil])
}

func scaled(s size) size {
	return size{nodes: max(2, s.nodes/scale()), subnets: max(2, s.subnets/scale()), pods: s.pods / scale()}
}

// BenchmarkBurst binds many pods at once and compares the controller with a
// bare client that makes the same API writes and nothing else. The load
// generator's own watch of all pods, by which it counts, runs with both.
func BenchmarkBurst(b *testing.B) {
	for _, s := range []size{{20, 5, 1000}, {100, 20, 5000}} {
		b.Run(fmt.Sprintf("%dx%dx%d", s.nodes, s.subnets, s.pods), func(b *testing.B) { burst(b, scaled(s)) })
	}
}

func burst(b *testing.B, s size) {
	l, ctx := newLab(b), b.Context()
	l.chassis(s.nodes)
	l.must(l.makeNodes(ctx, s.nodes))
	l.must(l.makeSubnets(ctx, s.subnets))
	seen := l.watchAllocations(ctx)
	before := measure(l.pids())
	start := time.Now()
	l.must(l.bareClient(ctx, "bare", s))
	l.must(seen.wait("bare", s.pods, time.Minute))
	bare := float64(s.pods) / time.Since(start).Seconds()
	alone := measure(l.pids()).since(before)
	b.Logf("bare client: CPU %v", alone)
	l.must(l.deletePods(ctx, "bare", s))
	l.must(l.deleteClaims(ctx, "bare", s))

	l.startController()
	l.serving()
	l.calm()
	writes, transactions := l.counted(ctx), l.transactions()
	before = measure(l.pids())
	profiles := l.profile(ctx, b.Name())
	start = time.Now()
	l.must(l.makePods(ctx, "burst", s))
	l.must(seen.wait("burst", s.pods, 10*time.Minute))
	took := time.Since(start)
	profiles()
	l.calm()
	spent := measure(l.pids()).since(before)
	by, sum := increase(l.counted(ctx), writes)
	perPod := func(d time.Duration) float64 { return float64(d.Milliseconds()) / float64(s.pods) }
	b.ReportMetric(float64(s.pods)/took.Seconds(), "pods/s")
	b.ReportMetric(float64(s.pods)/took.Seconds()/bare, "of-bare-client")
	b.ReportMetric(alone.sum().Seconds()/spent.sum().Seconds(), "of-bare-client-by-cpu")
	b.ReportMetric(perPod(spent["controller"]), "controller-ms/pod")
	b.ReportMetric(perPod(spent["northd"]), "northd-ms/pod")
	b.ReportMetric(perPod(spent["nb"]), "nb-ms/pod")
	b.ReportMetric(float64(sum-s.pods)/float64(s.pods), "api-writes/pod") // creating the pod itself apart
	b.ReportMetric(float64(l.transactions()-transactions)/float64(s.pods), "nb-transactions/pod")
	b.ReportMetric(float64(peakMemory(l.controller.Process.Pid)), "controller-MiB")
	b.Logf("%v: bare client %.0f pods/s; API writes %v; CPU %v", s, bare, by, spent)

	writes = l.counted(ctx)
	start = time.Now()
	l.must(l.deletePods(ctx, "burst", s))
	l.await("all claims are gone", 10*time.Minute, func() bool { return l.claims("burst") == 0 })
	b.ReportMetric(time.Since(start).Seconds(), "delete-s")
	l.calm()
	by, sum = increase(l.counted(ctx), writes)
	b.ReportMetric(float64(sum-s.pods)/float64(s.pods), "delete-writes/pod")
	b.Logf("deleting: API writes %v", by)
	b.ReportMetric(0, "ns/op")
}

// claims counts the IP objects of pods whose name begins with prefix.
func (l *lab) claims(prefix string) int {
	list, err := l.dynamic.Resource(ipResource).List(l.b.Context(), metav1.ListOptions{ResourceVersion: "0"})
	l.must(err)
	count := 0
	for _, item := range list.Items {
		if strings.HasPrefix(item.GetName(), prefix) {
			count++
		}
	}
	return count
}

// BenchmarkColdStart starts the controller on an empty northbound database.
func BenchmarkColdStart(b *testing.B) {
	s := scaled(size{200, 50, 0})
	l, ctx := newLab(b), b.Context()
	l.chassis(s.nodes)
	l.must(l.makeNodes(ctx, s.nodes))
	l.must(l.makeSubnets(ctx, s.subnets))
	before := measure(l.pids())
	start := time.Now()
	l.startController()
	l.await("a port for each node and a router port for each subnet", 10*time.Minute, func() bool {
		return l.rows("Logical_Router_Port") >= s.subnets+2 && strings.Count(l.ovn.NBCtl("lsp-list", "join"), "(node-") >= s.nodes
	})
	b.ReportMetric(time.Since(start).Seconds(), "s")
	l.calm()
	spent := measure(l.pids()).since(before)
	rows := l.rows("Logical_Router_Policy") + l.rows("Port_Group")
	b.ReportMetric(float64(rows)/float64(s.nodes+s.subnets), "policies+groups/(nodes+subnets)")
	b.ReportMetric(cpu(l.controller.Process.Pid).Seconds(), "controller-cpu-s")
	b.ReportMetric(spent["northd"].Seconds(), "northd-cpu-s")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkRestart kills the controller of a full cluster and starts it again.
func BenchmarkRestart(b *testing.B) {
	s := scaled(size{100, 20, 10000})
	l, ctx := newLab(b), b.Context()
	l.chassis(s.nodes)
	l.must(l.makeNodes(ctx, s.nodes))
	l.must(l.makeSubnets(ctx, s.subnets))
	l.startController()
	l.serving()
	seen := l.watchAllocations(ctx)
	l.must(l.makePods(ctx, "full", s))
	l.must(seen.wait("full", s.pods, 20*time.Minute))
	l.calm()
	l.stopController()
	before, writes := measure(l.pids()), l.counted(ctx)
	start := time.Now()
	l.startController()
	one := size{s.nodes, s.subnets, 1}
	l.must(l.makePods(ctx, "fresh", one))
	l.must(seen.wait("fresh", 1, 5*time.Minute))
	b.ReportMetric(time.Since(start).Seconds(), "s-to-first-address")
	l.calm()
	spent := measure(l.pids()).since(before)
	by, sum := increase(l.counted(ctx), writes)
	b.Logf("after a restart: API writes %v, CPU %v", by, spent)
	b.ReportMetric(float64(sum-3), "api-writes") // the fresh pod: create, claim, annotate
	b.ReportMetric(cpu(l.controller.Process.Pid).Seconds()+spent["nb"].Seconds(), "controller+nb-cpu-s")
	b.ReportMetric(float64(peakMemory(l.controller.Process.Pid)), "controller-MiB")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkGrowth measures what one pod costs in a small and in a large
// cluster: controller CPU of 200 pods made one after another.
func BenchmarkGrowth(b *testing.B) {
	cost := map[int]time.Duration{}
	sizes := []int{1000 / scale(), 10000 / scale()}
	l, ctx := newLab(b), b.Context()
	s := scaled(size{100, 20, 0})
	l.chassis(s.nodes)
	l.must(l.makeNodes(ctx, s.nodes))
	l.must(l.makeSubnets(ctx, s.subnets))
	l.startController()
	l.serving()
	seen := l.watchAllocations(ctx)
	for _, pods := range sizes {
		prefix := fmt.Sprintf("fill%d", pods)
		full := size{s.nodes, s.subnets, pods}
		l.must(l.makePods(ctx, prefix, full))
		l.must(seen.wait(prefix, pods, 20*time.Minute))
		l.calm()
		before := measure(l.pids())
		for i := range 200 {
			event := fmt.Sprintf("event%d-%d", pods, i)
			l.must(l.makePods(ctx, event, size{s.nodes, s.subnets, 1}))
			l.must(seen.wait(event, 1, time.Minute))
		}
		cost[pods] = measure(l.pids()).since(before)["controller"] / 200
		b.ReportMetric(float64(cost[pods].Microseconds())/1000, fmt.Sprintf("controller-ms/event-at-%d", pods))
	}
	b.ReportMetric(float64(cost[sizes[1]])/float64(cost[sizes[0]]), "growth")
	b.ReportMetric(0, "ns/op")
}
