package controller

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
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

func (w *world) run(program string, port int) *process {
	w.t.Helper()
	p := &process{log: &lockedBuffer{}, ended: make(chan error, 1)}
	p.Cmd = exec.Command(program, "--kubeconfig="+shared_.server.Kubeconfig, "--ovn-nb-addr="+w.nb.Endpoint,
		"--default-cidr="+testDefaults.CIDR, "--node-switch-cidr="+testDefaults.JoinCIDR, fmt.Sprintf("--pprof-port=%d", port),
		"--leader-elect-lease-duration=10s", "--leader-elect-renew-deadline=8s", "--leader-elect-retry-period=1s")
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

// The real program is stopped by SIGSTOP while pods come and go, at any moment;
// another one takes over; the first one is continued, and has to end by itself.
func TestLeaderStoppedBySignal(t *testing.T) {
	w := newWorld(t)
	lease := &coordinationv1.Lease{}
	lease.Namespace, lease.Name = "default", "kube-ovn-controller"
	w.check(client.IgnoreNotFound(w.api.Delete(context.Background(), lease)))
	program := buildController(t)
	w.namespace("shop")
	w.node("n1", "172.30.0.11")
	leader := w.run(program, 21000)
	leader.leads(w)
	var left []string
	for round := range 2 {
		for i := range 10 {
			w.pod("shop", fmt.Sprintf("gone-%d-%d", round, i), "n1")
		}
		time.Sleep(time.Duration(20*round) * time.Millisecond) // any moment
		w.check(leader.Process.Signal(syscall.SIGSTOP))
		next := w.run(program, 21001+round)
		for i := range 10 {
			pod := w.pod("shop", fmt.Sprintf("stays-%d-%d", round, i), "n1")
			left = append(left, pod.Name)
			gone := pod.DeepCopy()
			gone.Name = fmt.Sprintf("gone-%d-%d", round, i)
			w.remove(gone)
		}
		next.leads(w)
		w.eventually("the pods of this round", func() error { return w.consistent(left...) })
		w.check(leader.Process.Signal(syscall.SIGCONT))
		select {
		case err := <-leader.ended:
			if err == nil {
				t.Errorf("round %d: it ended as if all were well", round)
			}
			t.Logf("round %d: %s", round, lastLine(leader.log.String()))
		case <-time.After(20 * time.Second):
			_ = leader.Process.Signal(syscall.SIGQUIT) // print its goroutines
			<-leader.ended
			t.Fatalf("round %d: the deposed leader goes on:\n%s", round, leader.log)
		}
		w.check(w.consistent(left...))
		leader = next
	}
	w.check(leader.Process.Signal(syscall.SIGTERM))
	if err := <-leader.ended; err != nil {
		t.Errorf("it did not end well: %v\n%s", err, leader.log)
	}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
