package e2e

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// outage is how long the databases stay away: ten minutes, or HAWSER_OUTAGE.
func outage(t testing.TB) time.Duration {
	text := os.Getenv("HAWSER_OUTAGE")
	if text == "" {
		return 10 * time.Minute
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// scaleTo scales a Deployment of ours and waits until it is so.
func scaleTo(t testing.TB, deployment string, replicas int) {
	t.Helper()
	kubectl(t, "-n", "kube-system", "scale", "deploy/"+deployment, fmt.Sprintf("--replicas=%d", replicas))
	eventually(t, 3*time.Minute, fmt.Sprintf("%s has %d pods", deployment, replicas), func() error {
		out, err := tryKubectl("-n", "kube-system", "get", "deploy", deployment, "-o", "jsonpath={.status.replicas}/{.status.readyReplicas}")
		want := fmt.Sprintf("%d/%d", replicas, replicas)
		if replicas == 0 {
			want = "/"
		}
		if err == nil && strings.ReplaceAll(out, "0/0", "/") != want {
			err = fmt.Errorf("it has %s", out)
		}
		return err
	})
}

// replicasOf is how many pods a Deployment of ours should have.
func replicasOf(t testing.TB, deployment string) (replicas int) {
	t.Helper()
	fmt.Sscan(kubectl(t, "-n", "kube-system", "get", "deploy", deployment, "-o", "jsonpath={.spec.replicas}"), &replicas)
	return replicas
}

// TestOutageOfDatabases: NB and SB are away for minutes while a foreign CNI
// configuration lies beside ours. Running pods lose nothing, nodes stay Ready,
// Services keep their endpoints, new pods wait and then start by themselves.
func TestOutageOfDatabases(t *testing.T) {
	pods := twoTenants(t, "outage", 60)
	a, b := pods[0], pods[1]
	const foreign = "/etc/cni/net.d/99-other.conflist"
	inNode(t, a.node, "sh", "-c", `echo '{"cniVersion":"1.0.0","name":"other","plugins":[{"type":"loopback"}]}' > `+foreign)
	t.Cleanup(func() { inNode(t, a.node, "rm", "-f", foreign) })
	endpoints := kubectl(t, "-n", "kube-system", "get", "endpointslices", "-o", "jsonpath={.items[*].endpoints[*].addresses}")
	replicas := replicasOf(t, "ovn-central")
	seen := underTraffic(t, a.name, b.name, a.ips[0], b.ips[0], func() {
		scaleTo(t, "ovn-central", 0)
		apply(t, podYAML(a.namespace, "waits-for-ovn", a.node, nil))
		time.Sleep(outage(t))
		for _, node := range nodes(t) {
			if ready := kubectl(t, "get", "node", node, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`); ready != "True" {
				t.Errorf("node %s is not Ready in the outage", node)
			}
		}
		if phase := kubectl(t, "-n", a.namespace, "get", "pod", "waits-for-ovn", "-o", "jsonpath={.status.phase}"); phase != "Pending" {
			t.Errorf("a new pod is %s in the outage: who gave it a network?", phase)
		}
		scaleTo(t, "ovn-central", replicas)
	})
	if seen.Lost > 0 {
		t.Errorf("running pods: %v", seen)
	}
	waitReady(t, a.namespace, "waits-for-ovn")
	for _, old := range strings.Fields(strings.NewReplacer("[", " ", "]", " ", `"`, " ", ",", " ").Replace(endpoints)) {
		if !strings.Contains(kubectl(t, "-n", "kube-system", "get", "endpointslices", "-o", "jsonpath={.items[*].endpoints[*].addresses}"), old) {
			t.Errorf("endpoint %s was lost", old)
		}
	}
}

// TestOutageOfController: a pod deleted while no controller runs gives its
// address back, and only once its port is gone; nothing is held twice.
func TestOutageOfController(t *testing.T) {
	pods := twoTenants(t, "nocontroller", 62)
	replicas := replicasOf(t, "kube-ovn-controller")
	scaleTo(t, "kube-ovn-controller", 0)
	kubectl(t, "-n", pods[0].namespace, "delete", "pod", pods[0].name, "--wait=true")
	scaleTo(t, "kube-ovn-controller", replicas)
	port := pods[0].name + "." + pods[0].namespace
	eventually(t, time.Minute, "claim and port of the deleted pod are gone", func() error { return forgotten(t, port) })
	noDuplicates(t)
}

// TestOutageOfVswitchd prints ovs-vswitchd's own gap and checks that traffic
// comes back by itself.
func TestOutageOfVswitchd(t *testing.T) {
	pods := twoTenants(t, "vswitchd", 64)
	a, b := pods[0], pods[1]
	seen := underTraffic(t, a.name, b.name, a.ips[0], b.ips[0], func() {
		if signalIn(t, a.node, "ovs-vswitchd", syscall.SIGKILL) == 0 {
			t.Error("no ovs-vswitchd")
		}
		kubectl(t, "-n", "kube-system", "wait", "--for=condition=Ready", "--timeout=120s", "pod", "-l", "app=ovs")
	})
	t.Logf("kill -9 of ovs-vswitchd on %s: %v", a.node, seen)
	if again := underTraffic(t, a.name, b.name, a.ips[0], b.ips[0], func() {}); again.Lost > 0 {
		t.Errorf("afterwards: %v", again)
	}
}

// TestOutageOfDisk: a node's disk fills up; running pods do not notice, and a
// new pod starts once there is space again at the latest. The filler gives way
// to the datapath, which shares its processor: the disk is what is tested.
func TestOutageOfDisk(t *testing.T) {
	pods := twoTenants(t, "disk", 66)
	a, b := pods[0], pods[1]
	t.Cleanup(func() { inNode(t, a.node, "rm", "-f", "/filler") })
	seen := underTraffic(t, a.name, b.name, a.ips[0], b.ips[0], func() {
		inNode(t, a.node, "sh", "-c", "nice -n 19 dd if=/dev/zero of=/filler bs=64k 2>/dev/null || true")
		time.Sleep(5 * time.Second)
	})
	if seen.Lost > 0 {
		t.Errorf("running pods: %v", seen)
	}
	apply(t, podYAML(a.namespace, "on-full-disk", a.node, nil))
	time.Sleep(10 * time.Second)
	inNode(t, a.node, "rm", "-f", "/filler")
	waitReady(t, a.namespace, "on-full-disk")
}

// TestPodsStartBesideTraffic: pods that start on a node cost the others there
// nothing in the kernel datapath. In userspace a new port may cost what goes
// through a tunnel a packet (docs/troubleshooting.md): that is printed.
func TestPodsStartBesideTraffic(t *testing.T) {
	pods := twoTenants(t, "beside", 70)
	a, b := pods[0], pods[1]
	seen := underTraffic(t, a.name, b.name, a.ips[0], b.ips[0], func() {
		for i := range 4 {
			name := fmt.Sprintf("beside-%d", i)
			apply(t, podYAML(a.namespace, name, a.node, nil))
			waitReady(t, a.namespace, name)
		}
	})
	datapath := strings.Trim(strings.TrimSpace(kubectl(t, "-n", "kube-system", "exec", "ds/ovs-ovn", "--", "ovs-vsctl", "get", "open", ".", "external_ids:ovn-bridge-datapath-type")), `"`)
	t.Logf("4 pods started beside traffic, datapath=%s: %v", datapath, seen)
	if datapath == "system" && seen.Lost > 0 {
		t.Errorf("kernel datapath: %v", seen)
	}
}
