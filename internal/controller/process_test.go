package controller

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// process is the real program.
type process struct {
	*exec.Cmd
	log   *lockedBuffer
	ended chan error
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

func buildController(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "kube-ovn-controller")
	if out, err := exec.Command("go", "build", "-o", program, "hawser/cmd/kube-ovn-controller").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// run starts it with a network that a few pods fill, so that an address that is
// given back is soon given to another.
func (w *world) run(program string) *process {
	w.t.Helper()
	p := &process{log: &lockedBuffer{}, ended: make(chan error, 1)}
	p.Cmd = exec.Command(program, "--kubeconfig="+shared_.server.Kubeconfig, "--ovn-nb-addr="+w.nb.Endpoint,
		"--default-cidr=10.16.0.0/28,fd00:10:16::/124", "--node-switch-cidr="+testDefaults.JoinCIDR, "--pprof-port=0",
		"--leader-elect-lease-duration=10s", "--leader-elect-renew-deadline=8s", "--leader-elect-retry-period=250ms")
	p.Env = append(os.Environ(), "POD_NAMESPACE=default", "POD_IP=127.0.0.1")
	p.Stdout, p.Stderr = p.log, p.log
	w.check(p.Start())
	go func() { p.ended <- p.Wait() }()
	w.t.Cleanup(func() { _ = p.Process.Kill() })
	return p
}

func (p *process) leads(w *world) {
	w.t.Helper()
	w.eventually("it does not lead", func() error {
		if !strings.Contains(p.log.String(), `"msg":"leading"`) {
			return fmt.Errorf("%s", p.log.String())
		}
		return nil
	})
}

// relay is real programs of which one leads and one stands by. Leaders are
// stopped (SIGSTOP) while pods come and go, at any moment, and continued once
// the next has given their addresses away.
type relay struct {
	*world
	program         string
	leader, standby *process
	round           int
	alive           []string // pods
	deposed         sync.WaitGroup

	mu  sync.Mutex
	end map[string]int // how often the deposed ended by what they said last
}

func newRelay(t *testing.T) *relay {
	r := &relay{world: newWorld(t), program: buildController(t), end: map[string]int{}}
	r.check(client.IgnoreNotFound(r.api.Delete(context.Background(), electionLease())))
	r.namespace("shop")
	r.node("n1", "172.30.0.11")
	r.leader = r.run(r.program)
	r.leader.leads(r.world)
	r.standby = r.run(r.program)
	return r
}

func electionLease() *coordinationv1.Lease {
	lease := &coordinationv1.Lease{}
	lease.Namespace, lease.Name = "default", "kube-ovn-controller"
	return lease
}

// endLease does at once what a stopped leader's lease does after ten seconds. A
// renewal that the leader had sent before it was stopped may come between.
func (r *relay) endLease() {
	r.t.Helper()
	r.eventually("the lease cannot be ended", func() error {
		lease := electionLease()
		if err := r.api.Get(context.Background(), client.ObjectKeyFromObject(lease), lease); err != nil {
			return err
		}
		lease.Spec.HolderIdentity = ptrTo("")
		return r.api.Update(context.Background(), lease)
	})
}

// batch is how many pods come, and how many go, in a round.
const batch = 3

func (r *relay) names(what string) (names []string) {
	for i := range batch {
		names = append(names, fmt.Sprintf("%s-%d-%d", what, r.round, i))
	}
	return names
}

func (r *relay) delete(names []string) {
	for _, name := range names {
		pod := &corev1.Pod{}
		pod.Namespace, pod.Name = "shop", name
		r.remove(pod)
	}
}

// stop is one round.
func (r *relay) stop() {
	r.t.Helper()
	gone, stays := r.names("gone"), r.names("stays")
	for _, name := range gone {
		r.pod("shop", name, "n1")
	}
	time.Sleep(rand.N(60 * time.Millisecond)) // any moment: at 30 all have their ports on an idle machine
	stopped := r.leader
	if err := stopped.Process.Signal(syscall.SIGSTOP); err != nil {
		r.t.Fatalf("the leader of round %d: %v; it said\n%s", r.round, err, stopped.log)
	}
	if r.round > 0 { // the first lease runs out by itself
		r.endLease()
	}
	r.delete(gone)
	for _, name := range stays {
		r.pod("shop", name, "n1")
	}
	r.alive = append(r.alive, stays...)
	r.leader = r.standby
	r.leader.leads(r.world)
	r.eventually(fmt.Sprintf("round %d: pods, claims and ports disagree", r.round), r.settled)
	r.check(stopped.Process.Signal(syscall.SIGCONT))
	r.deposed.Go(func() { r.ends(stopped) })
	r.standby = r.run(r.program)
	if old := len(r.alive) - batch; old > 0 {
		r.delete(r.alive[:old])
		r.alive = r.alive[old:]
	}
	r.round++
}

// settled complains unless the pods that are alive, and they alone, have an
// address each, and a port with it.
func (r *relay) settled() error {
	claims := 0
	for name := range r.ips() {
		if strings.HasSuffix(name, ".shop") {
			claims++
		}
	}
	if claims != len(r.alive) {
		return fmt.Errorf("%d claims of %d pods", claims, len(r.alive))
	}
	return r.consistent(r.alive...)
}

// ends sees to it that a leader that lost its lease ends by itself, and says so.
func (r *relay) ends(stopped *process) {
	select {
	case err := <-stopped.ended:
		if err == nil {
			r.t.Error("a deposed leader ended as if all were well")
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.end[lastLine(stopped.log.String())]++
	case <-time.After(time.Minute):
		_ = stopped.Process.Signal(syscall.SIGQUIT) // print its goroutines
		<-stopped.ended
		r.t.Errorf("a deposed leader goes on:\n%s", stopped.log)
	}
}

func (r *relay) finish() {
	r.t.Helper()
	r.deposed.Wait()
	r.eventually("in the end, pods, claims and ports disagree", r.settled)
	r.check(r.standby.Process.Kill()) // who has just started may not know SIGTERM yet
	<-r.standby.ended
	r.check(r.leader.Process.Signal(syscall.SIGTERM))
	if err := <-r.leader.ended; err != nil {
		r.t.Errorf("the last leader did not end well: %v\n%s", err, r.leader.log)
	}
	for said, times := range r.end {
		r.t.Logf("%d leaders of %d ended with: %s", times, r.round, said)
	}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

func TestLeaderStoppedBySignal(t *testing.T) {
	r := newRelay(t)
	for range 4 {
		r.stop()
	}
	r.finish()
}

// TestLeadersStoppedBySignal is the same for as long as it takes to meet moments
// that are rare.
func TestLeadersStoppedBySignal(t *testing.T) {
	r := newRelay(t)
	began := time.Now()
	for range 200 {
		r.stop()
		if r.round%20 == 0 {
			t.Logf("%d rounds after %v", r.round, time.Since(began).Round(time.Second))
		}
	}
	r.finish()
}
