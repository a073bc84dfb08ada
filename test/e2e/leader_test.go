package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestOutageOfNorthboundLeader kills the process that leads the northbound
// database, of three replicas, under traffic: running pods lose nothing, and the
// next write lands at another leader. How long that takes is printed, beside
// what the same write takes in peace.
func TestOutageOfNorthboundLeader(t *testing.T) {
	if replicas := replicasOf(t, "ovn-central"); replicas < 3 {
		t.Fatalf("this cluster has %d replica of the databases: a change of leader takes 'sandbox up --masters 3'", replicas)
	}
	pods := twoTenants(t, "raft", 74)
	a, b := pods[0], pods[1]
	elsewhere := nodes(t)[2] // a new port on their nodes costs pods a packet in userspace: not what is tested
	t.Logf("a port is written in %v while nothing is wrong", timeToPort(t, a.namespace, "before-election", elsewhere))
	old := northboundLeader(t)
	seen := underTraffic(t, a.name, b.name, a.ips[0], b.ips[0], func() {
		if signalIn(t, old, "ovsdb-server --config-file=/run/ovn/ovnnb.json", syscall.SIGKILL) == 0 {
			t.Errorf("no northbound database on %s", old)
		}
		t.Logf("kill -9 of the northbound leader on %s: the next port is written after %v", old, timeToPort(t, a.namespace, "in-election", elsewhere))
	})
	t.Logf("kill -9 of the northbound leader on %s: %v", old, seen)
	if seen.Lost > 0 {
		t.Errorf("running pods: %v", seen)
	}
	kubectl(t, "-n", "kube-system", "rollout", "status", "deploy/ovn-central", "--timeout=180s")
	t.Logf("%s led, %s leads", old, northboundLeader(t))
	waitReady(t, a.namespace, "before-election", "in-election")
	noDuplicates(t)
}

// northboundLeader is the node whose replica the Service of the leader points at.
func northboundLeader(t testing.TB) (node string) {
	t.Helper()
	eventually(t, time.Minute, "one replica is labelled as the northbound leader", func() error {
		out, err := tryKubectl("-n", "kube-system", "get", "pods", "-l", "app=ovn-central,ovn-nb-leader=true", "-o", "jsonpath={.items[*].spec.nodeName}")
		if leaders := strings.Fields(out); err != nil || len(leaders) != 1 {
			return fmt.Errorf("leaders: %v (%v)", leaders, err)
		}
		node = strings.TrimSpace(out)
		return nil
	})
	return node
}

// timeToPort makes a pod and tells when its port is in the northbound database,
// which is when its annotations say so.
func timeToPort(t testing.TB, namespace, pod, node string) time.Duration {
	t.Helper()
	began := time.Now()
	apply(t, podYAML(namespace, pod, node, nil))
	kubectl(t, "-n", namespace, "wait", `--for=jsonpath={.metadata.annotations.ovn\.kubernetes\.io/allocated}=true`, "--timeout=120s", "pod/"+pod)
	return time.Since(began).Round(10 * time.Millisecond)
}
