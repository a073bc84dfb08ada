package controller

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	kubeovnv1 "hawser/api/v1"
)

// BenchmarkBurst binds pods to 20 nodes as fast as the API server takes them
// and waits until the last one is annotated; then it deletes them all. The test
// process is also the client that makes the pods, so CPU is an upper bound.
func BenchmarkBurst(b *testing.B) {
	const pods, nodes, clients = 500, 20, 16
	w := newWorld(b)
	c := w.start()
	w.namespace("burst")
	for i := range nodes {
		w.node(fmt.Sprintf("n%d", i), fmt.Sprintf("172.30.1.%d", i+1))
	}
	c.quiet()
	for range b.N {
		c.writes.reset()
		ops, began, cpu := c.edge().written(), time.Now(), cpuTime()
		w.inParallel(clients, pods, func(i int) { w.pod("burst", fmt.Sprintf("p%d", i), fmt.Sprintf("n%d", i%nodes)) })
		made := time.Since(began)
		w.eventually("not all pods have addresses", func() error { return w.count("burst", pods) })
		took := time.Since(began)
		b.ReportMetric(pods/made.Seconds(), "created/s")
		b.ReportMetric(pods/took.Seconds(), "annotated/s")
		b.ReportMetric(float64((cpuTime()-cpu).Milliseconds())/pods, "cpu-ms/pod")
		b.ReportMetric(float64(c.edge().written()-ops)/pods, "nb-operations/pod")
		b.ReportMetric(float64(c.writes.total())/pods, "api-writes/pod")
		c.writes.reset()
		began = time.Now()
		w.inParallel(clients, pods, func(i int) {
			pod := &corev1.Pod{}
			pod.Namespace, pod.Name = "burst", fmt.Sprintf("p%d", i)
			w.remove(pod)
		})
		w.eventually("addresses are not given back", func() error {
			if n := len(w.ips()); n > nodes {
				return fmt.Errorf("%d IP objects", n)
			}
			return nil
		})
		b.ReportMetric(pods/time.Since(began).Seconds(), "deleted/s")
		b.ReportMetric(float64(c.writes.total())/pods, "api-writes/deletion")
	}
}

func (c *counter) total() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	sum := 0
	for _, n := range c.count {
		sum += n
	}
	return sum
}

func (w *world) inParallel(workers, jobs int, do func(int)) {
	var group sync.WaitGroup
	next := make(chan int)
	for range workers {
		group.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range jobs {
		next <- i
	}
	close(next)
	group.Wait()
}

func (w *world) count(namespace string, want int) error {
	var list corev1.PodList
	w.check(w.api.List(context.Background(), &list))
	n := 0
	for i := range list.Items {
		if list.Items[i].Namespace == namespace && list.Items[i].Annotations[kubeovnv1.AnnotationRouted] == "true" {
			n++
		}
	}
	if n < want {
		time.Sleep(100 * time.Millisecond)
		return fmt.Errorf("%d of %d", n, want)
	}
	return nil
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
