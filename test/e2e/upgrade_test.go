package e2e

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// TestUpgrade goes from the previous commit's images to this one's, by the
// chart, under traffic: agents, controller and databases roll, ovs-ovn stays
// as it is (OnDelete). Nothing may be lost, by the overlay, by the host of a NIC that is
// shared, and by the pods on it.
func TestUpgrade(t *testing.T) {
	loadPrevious(t)
	upgradeTo(t, "previous")
	pods := twoTenants(t, "upgrade", 68)
	a, b := pods[0], pods[1]
	u := newUnderlayNet(t, "upgrade")
	onWire := u.red[0]
	world := startHostTraffic(t, "flathost", hostOf(address(t, onWire.node), flatHost4, flatHost6), onWire.node)
	wire := startPings(t, netnsOf(t, onWire.name), hostOf(onWire.ips[0], redHost4, redHost6))
	seen := underTraffic(t, a.name, b.name, a.ips[0], b.ips[0], func() { upgradeTo(t, "dev") })
	if seen.Lost > 0 {
		t.Errorf("upgrade: %v", seen)
	}
	if lost := world.end(t); lost > 0 {
		t.Errorf("upgrade: the host lost %d pings", lost)
	}
	if seen := wire.end(); seen.Lost > 0 {
		t.Errorf("upgrade: the pod on the wire: %v", seen)
	}
	awaitProvider(t, "upgrade")
	apply(t, podYAML(a.namespace, "after-upgrade", a.node, nil))
	waitReady(t, a.namespace, "after-upgrade")
}

// upgradeTo has the chart use images of a tag, with all else as it was
// installed, as a user would do it, and waits until everything has rolled.
func upgradeTo(t testing.TB, tag string) {
	t.Helper()
	chart, err := filepath.Abs("../../charts/kube-ovn")
	if err != nil {
		t.Fatal(err)
	}
	upgrade := []string{"helm", "--", "upgrade", "kube-ovn", chart, "-n", "kube-system", "--reset-then-reuse-values", "--wait", "--timeout", "4m",
		"--set", "global.images.kubeovn.tag=" + tag, "--set", "global.images.ovn.tag=" + tag}
	if _, err := run("", upgrade...); err != nil {
		t.Fatal(err)
	}
	for _, workload := range []string{"deploy/ovn-central", "deploy/kube-ovn-controller", "ds/kube-ovn-cni"} {
		kubectl(t, "-n", "kube-system", "rollout", "status", workload, "--timeout=180s")
	}
}

// loadPrevious builds the images of the commit before this one and brings them
// to the nodes.
func loadPrevious(t testing.TB) {
	t.Helper()
	tree := filepath.Join(t.TempDir(), "previous")
	if out, err := exec.Command("git", "worktree", "add", "--detach", tree, "HEAD~1").CombinedOutput(); err != nil {
		t.Fatalf("the commit before this one: %v\n%s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("git", "worktree", "remove", "--force", tree).Run() })
	build := exec.Command("go", "run", "./images/build", "--out", "dist", "--tag", "previous", "--arch", "amd64")
	build.Dir = tree
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("its images: %v\n%s", err, out)
	}
	for _, archive := range []string{"kube-ovn-amd64.tar", "ovn-amd64.tar"} {
		if _, err := run("", "load", filepath.Join(tree, "dist", archive)); err != nil {
			t.Fatal(err)
		}
	}
}
