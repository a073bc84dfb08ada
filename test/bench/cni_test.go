package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkCNIAdd runs the plugin on a node of the sandbox that is up, from its
// exec to its exit, for 100 pods one after another and then for 100 pods ten at
// a time. The node's kubelet is stopped meanwhile: the pods are there, but
// nobody else attaches them.
func BenchmarkCNIAdd(b *testing.B) {
	for _, parallel := range []int{1, 10} {
		b.Run(fmt.Sprintf("%d-at-a-time", parallel), func(b *testing.B) { cniAdd(b, parallel) })
	}
}

const cniNode = "n1"

func cniAdd(b *testing.B, parallel int) {
	const pods = 100
	pid := machinePID(b, cniNode)
	namespace := fmt.Sprintf("cnibench-%d", parallel)
	sandboxRun(b, "", "exec", cniNode, "--", "pkill", "-STOP", "-x", "kubelet")
	b.Cleanup(func() { sandboxRun(b, "", "exec", cniNode, "--", "pkill", "-CONT", "-x", "kubelet") })
	sandboxRun(b, "", "kubectl", "--", "create", "namespace", namespace)
	b.Cleanup(func() {
		sandboxRun(b, "", "kubectl", "--", "-n", namespace, "delete", "pods", "--all", "--force", "--grace-period=0")
		sandboxRun(b, "", "kubectl", "--", "delete", "namespace", namespace, "--wait=false")
	})
	var manifests strings.Builder
	for i := range pods {
		fmt.Fprintf(&manifests, "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p%d, namespace: %s}\nspec: {nodeName: %s, containers: [{name: c, image: 'registry.k8s.io/pause:3.10.2'}]}\n", i, namespace, cniNode)
	}
	sandboxRun(b, manifests.String(), "kubectl", "--", "create", "-f", "-")
	sandboxRun(b, "", "kubectl", "--", "-n", namespace, "wait", "--for=jsonpath={.metadata.annotations.ovn\\.kubernetes\\.io/allocated}=true", "--timeout=120s", "pods", "--all")
	sandboxRun(b, "", "exec", cniNode, "--", "sh", "-c", fmt.Sprintf("for i in $(seq 0 %d); do ip netns add %s-$i; done", pods-1, namespace))
	b.Cleanup(func() {
		sandboxRun(b, "", "exec", cniNode, "--", "sh", "-c", fmt.Sprintf("for i in $(seq 0 %d); do ip netns del %s-$i; done", pods-1, namespace))
	})
	b.Cleanup(func() { invoke(b, pid, "DEL", namespace, pods, 10) })

	before := phases(b)
	took := invoke(b, pid, "ADD", namespace, pods, parallel)
	after := phases(b)
	if len(after) == 0 {
		b.Fatal("the agent's metrics have no kube_ovn_cni_add_phase_seconds")
	}
	slices.Sort(took)
	b.ReportMetric(milliseconds(took[pods/2]), "p50-ms")
	b.ReportMetric(milliseconds(took[pods-1-pods/100]), "p99-ms")
	for phase, sum := range after {
		b.ReportMetric((sum-before[phase])*1000/pods, phase+"-ms")
	}
	b.ReportMetric(0, "ns/op")
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// invoke calls the plugin for each pod and returns how long each call took.
func invoke(b *testing.B, pid int, verb, namespace string, pods, parallel int) []time.Duration {
	took := make([]time.Duration, pods)
	turns := make(chan struct{}, parallel)
	failed := make(chan error, pods)
	for i := range pods {
		turns <- struct{}{}
		go func() {
			defer func() { <-turns }()
			start := time.Now()
			failed <- plugin(pid, verb, namespace, i)
			took[i] = time.Since(start)
		}()
	}
	for range pods {
		if err := <-failed; err != nil {
			b.Error(err)
		}
	}
	for range parallel {
		turns <- struct{}{}
	}
	return took
}

// plugin execs the plugin in the node's namespaces, as its runtime would.
func plugin(pid int, verb, namespace string, i int) error {
	command := exec.Command("nsenter", "--target", strconv.Itoa(pid), "--mount", "--net", "--pid", "--", "/opt/cni/bin/kube-ovn")
	command.Env = append(os.Environ(), "CNI_COMMAND="+verb, "CNI_PATH=/opt/cni/bin", "CNI_IFNAME=eth0",
		fmt.Sprintf("CNI_CONTAINERID=%04x%012x%s", i, i, namespace), fmt.Sprintf("CNI_NETNS=/run/netns/%s-%d", namespace, i),
		fmt.Sprintf("CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAMESPACE=%s;K8S_POD_NAME=p%d", namespace, i))
	command.Stdin = strings.NewReader(`{"cniVersion":"1.0.0","name":"kube-ovn","type":"kube-ovn"}`)
	out, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s of %s/p%d: %w: %s", verb, namespace, i, err, out)
	}
	return nil
}

var phaseSum = regexp.MustCompile(`(?m)^kube_ovn_cni_add_phase_seconds_sum\{.*phase="([a-z]+)".*\} (\S+)$`)

// phases reads how long all ADDs so far have spent in each phase, in seconds;
// there are none before the node's first.
func phases(b *testing.B) map[string]float64 {
	b.Helper()
	var node struct {
		Status struct {
			Addresses []struct{ Type, Address string }
		}
	}
	if err := json.Unmarshal([]byte(sandboxRun(b, "", "kubectl", "--", "get", "node", cniNode, "-o", "json")), &node); err != nil {
		b.Fatal(err)
	}
	sums := map[string]float64{}
	text := sandboxRun(b, "", "exec", cniNode, "--", "curl", "-sS", "-g", "http://"+node.Status.Addresses[0].Address+":10665/metrics")
	for _, match := range phaseSum.FindAllStringSubmatch(text, -1) {
		sums[match[1]], _ = strconv.ParseFloat(match[2], 64)
	}
	return sums
}

// machinePID is the first process of a machine of the sandbox, as this one counts.
func machinePID(b *testing.B, name string) int {
	b.Helper()
	for line := range strings.Lines(sandboxRun(b, "", "status")) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[0] == name {
			pid, err := strconv.Atoi(fields[2])
			if err != nil {
				b.Fatalf("%s is off", name)
			}
			return pid
		}
	}
	b.Skip("no sandbox is up: run 'make up' first to measure what needs a cluster")
	return 0
}

func sandboxRun(b *testing.B, stdin string, args ...string) string {
	b.Helper()
	path, _ := filepath.Abs("../../bin/sandbox")
	command := exec.Command(path, args...)
	command.Stdin = strings.NewReader(stdin)
	var out, complaint bytes.Buffer
	command.Stdout, command.Stderr = &out, &complaint
	if err := command.Run(); err != nil {
		if args[0] == "status" {
			return ""
		}
		b.Fatalf("sandbox %s: %v: %s", strings.Join(args, " "), err, complaint.String())
	}
	return out.String()
}
