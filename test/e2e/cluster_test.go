package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sandbox is the program that made the cluster; SANDBOX overrides where it is.
func sandbox() string {
	if path := os.Getenv("SANDBOX"); path != "" {
		return path
	}
	path, _ := filepath.Abs("../../bin/sandbox")
	return path
}

func TestMain(m *testing.M) {
	if out, err := exec.Command(sandbox(), "status").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "e2e: no sandbox is running: %v\n%s\nrun 'make up', or 'make test', which does it itself\n", err, out)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// run executes a command of the sandbox and returns its standard output.
func run(stdin string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, sandbox(), args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("sandbox %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// kubectl runs kubectl with admin rights and fails the test if it fails.
func kubectl(t testing.TB, args ...string) string {
	t.Helper()
	out, err := tryKubectl(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func tryKubectl(args ...string) (string, error) {
	return run("", append([]string{"kubectl", "--"}, args...)...)
}

// apply sends manifests to the cluster and removes them when the test ends.
func apply(t testing.TB, manifests string) {
	t.Helper()
	if err := tryApply(manifests); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { remove(t, manifests) })
}

func tryApply(manifests string) error {
	_, err := run(manifests, "kubectl", "--", "apply", "-f", "-")
	return err
}

// remove deletes manifests and waits until they are gone, in the reverse of
// their order: a Subnet waits for the pods that were made after it. Neighbours of
// one kind go together.
func remove(t testing.TB, manifests string) {
	t.Helper()
	documents := strings.Split(manifests, documentEnd)
	for end := len(documents); end > 0; {
		begin := end - 1
		for begin > 0 && kindOf(documents[begin-1]) == kindOf(documents[begin]) {
			begin--
		}
		some := strings.Join(documents[begin:end], documentEnd)
		if _, err := run(some, "kubectl", "--", "delete", "--ignore-not-found", "--grace-period=1", "--timeout=120s", "-f", "-"); err != nil {
			t.Errorf("cleaning up: %v", err)
		}
		end = begin
	}
}

const documentEnd = "\n---\n"

func kindOf(document string) string {
	for line := range strings.Lines(document) {
		if kind, found := strings.CutPrefix(line, "kind: "); found {
			return strings.TrimSpace(kind)
		}
	}
	return ""
}

// inNode runs a command on a node, as root in its namespaces.
func inNode(t testing.TB, node string, command ...string) string {
	t.Helper()
	out, err := run("", append([]string{"exec", node, "--"}, command...)...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// nbctl asks OVN's northbound database.
func nbctl(t testing.TB, args ...string) string {
	t.Helper()
	return inCentral(t, append([]string{"ovn-nbctl", "--no-leader-only"}, args...)...)
}

// inCentral runs a command where OVN's databases are.
func inCentral(t testing.TB, command ...string) string {
	t.Helper()
	return kubectl(t, append([]string{"-n", "kube-system", "exec", "deploy/ovn-central", "-c", "ovn-central", "--"}, command...)...)
}

// waitReady waits until pods are Ready.
func waitReady(t testing.TB, namespace string, pods ...string) {
	t.Helper()
	for _, pod := range pods {
		if _, err := tryKubectl("-n", namespace, "wait", "--for=condition=Ready", "--timeout=120s", "pod/"+pod); err != nil {
			t.Fatalf("%v\n%s", err, describe(namespace, pod))
		}
	}
}

func describe(namespace, pod string) string {
	out, _ := tryKubectl("-n", namespace, "describe", "pod", pod)
	return out
}

// eventually tries until a check holds; its last complaint fails the test.
func eventually(t testing.TB, within time.Duration, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v: %v", what, within, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// nodes gives the names of the workers, in order.
func nodes(t testing.TB) []string {
	t.Helper()
	return strings.Fields(kubectl(t, "get", "nodes", "-l", "!node-role.kubernetes.io/control-plane", "-o", "jsonpath={.items[*].metadata.name}"))
}

// podIPs gives a pod's addresses, as its status shows them.
func podIPs(t testing.TB, namespace, pod string) []string {
	t.Helper()
	return strings.Fields(kubectl(t, "-n", namespace, "get", "pod", pod, "-o", "jsonpath={.status.podIPs[*].ip}"))
}

// podYAML is a pod that serves HTTP on 8080 (agnhost netexec) on a given node.
func podYAML(namespace, name, node string, annotations map[string]string) string {
	notes, _ := json.Marshal(annotations)
	return fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: %s, annotations: %s}
spec:
  nodeName: %q
  terminationGracePeriodSeconds: 0
  containers:
  - name: agnhost
    image: registry.k8s.io/e2e-test-images/agnhost:2.63.0
    imagePullPolicy: IfNotPresent
    args: [netexec]
    readinessProbe: {httpGet: {path: /hostname, port: 8080}, periodSeconds: 1}
`, name, namespace, notes, node)
}

func namespaceYAML(name string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n", name)
}

// subnetYAML is a Subnet bound to a namespace, with further spec lines.
func subnetYAML(name, cidr, namespace string, spec ...string) string {
	return fmt.Sprintf("apiVersion: kubeovn.io/v1\nkind: Subnet\nmetadata: {name: %s}\nspec:\n  cidrBlock: %s\n  namespaces: [%s]\n  %s\n",
		name, cidr, namespace, strings.Join(spec, "\n  "))
}

func documents(parts ...string) string { return strings.Join(parts, documentEnd) }
