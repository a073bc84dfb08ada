package e2e

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// apiServerAway is longer than the controller's lease, so that it loses it and
// has to find its way back.
const apiServerAway = 45 * time.Second

// apiServerFaults are the ways in which an API server is not there: nobody
// listens, or somebody does and never answers, which is worse.
var apiServerFaults = map[string]struct{ begin, end func(t testing.TB) }{
	"refuses": {
		begin: func(t testing.TB) {
			const ruleset = `table inet e2e { chain input { type filter hook input priority -10; tcp dport 6443 reject with tcp reset; }; }`
			if out, err := run(ruleset, "exec", "cp", "--", "nft", "-f", "-"); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		},
		end: func(t testing.TB) { inNode(t, "cp", "sh", "-c", "nft delete table inet e2e 2>/dev/null || true") },
	},
	"hangs": {
		begin: func(t testing.TB) { signalAPIServer(t, syscall.SIGSTOP) },
		end:   func(t testing.TB) { signalAPIServer(t, syscall.SIGKILL) },
	},
}

func signalAPIServer(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if signalIn(t, "cp", "kube-apiserver --etcd-servers", signal) != 1 {
		t.Error("no kube-apiserver on cp")
	}
}

// TestOutageOfAPIServer takes the API server away under traffic. Running pods
// lose nothing, agents go on with what they know (they put back routes that are
// taken from them, and do not restart), and afterwards pods come and go as ever.
func TestOutageOfAPIServer(t *testing.T) {
	pods := twoTenants(t, "noapi", 72)
	a, b := pods[0], pods[1]
	for name, fault := range apiServerFaults {
		restarts := restartsOf(t, "kube-ovn-cni")
		seen := underTraffic(t, a.name, b.name, a.ips[0], b.ips[0], func() { withoutAPIServer(t, fault.begin, fault.end, a.node) })
		t.Logf("API server %s for %v: %v", name, apiServerAway, seen)
		if seen.Lost > 0 {
			t.Errorf("API server %s: %v", name, seen)
		}
		if now := restartsOf(t, "kube-ovn-cni"); now != restarts {
			t.Errorf("API server %s: agents had restarted %s times, now %s", name, restarts, now)
		}
		comesAndGoes(t, a.namespace, "after-api-"+name, a.node)
	}
	noDuplicates(t)
}

// withoutAPIServer has a fault last, and an agent mend something meanwhile.
func withoutAPIServer(t testing.TB, begin, end func(testing.TB), node string) {
	t.Helper()
	const routes = "ip route show proto 158; ip -6 route show proto 158"
	before := inNode(t, node, "sh", "-c", routes)
	over := time.After(apiServerAway)
	begin(t)
	defer end(t)
	inNode(t, node, "sh", "-c", "ip route flush proto 158; ip -6 route flush proto 158")
	eventually(t, apiServerAway, "the agent puts its routes back without the API server", func() error {
		if now := inNode(t, node, "sh", "-c", routes); now != before {
			return fmt.Errorf("there were\n%sthere are\n%s", before, now)
		}
		return nil
	})
	<-over
}

// comesAndGoes starts a pod, once the API server answers, and deletes it: its
// claim and its port go too.
func comesAndGoes(t testing.TB, namespace, name, node string) {
	t.Helper()
	began := time.Now()
	eventually(t, 3*time.Minute, "the API server takes a pod", func() error { return tryApply(podYAML(namespace, name, node, nil)) })
	waitReady(t, namespace, name)
	t.Logf("%s Ready %v after the outage", name, time.Since(began).Round(time.Second))
	kubectl(t, "-n", namespace, "delete", "pod", name, "--wait=true")
	port := name + "." + namespace
	eventually(t, time.Minute, "claim and port of the deleted pod are gone", func() error { return forgotten(t, port) })
}

// forgotten complains about what is left of a pod.
func forgotten(t testing.TB, port string) error {
	t.Helper()
	claim, err := tryKubectl("get", "ip", port, "--ignore-not-found", "-o", "name")
	if err != nil || claim != "" {
		return fmt.Errorf("claim %q (%v)", claim, err)
	}
	if strings.Contains(nbctl(t, "show"), port) {
		return errors.New("port " + port + " is still in OVN")
	}
	return nil
}

// restartsOf are the restart counts of a workload's pods.
func restartsOf(t testing.TB, app string) (counts string) {
	t.Helper()
	eventually(t, 3*time.Minute, "the API server tells of "+app, func() (err error) {
		counts, err = tryKubectl("-n", "kube-system", "get", "pods", "-l", "app="+app, "-o", `jsonpath={.items[*].status.containerStatuses[*].restartCount}`)
		return err
	})
	return counts
}
