package node

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
)

// pod is one that a test starts as kubelet and container runtime would.
type pod struct {
	node    node
	name    string
	address string
	took    time.Duration // ADD, from the plugin's start to its end
	object  *corev1.Pod
}

// at is the pod's network namespace.
func (p pod) at() place { return netns(p.name) }

// netns is the path of that.
func (p pod) netns() string { return "/run/netns/" + p.name }

// startPod makes a pod on a node, in a subnet or, where that is empty, in the
// default one, and attaches it. It is gone when the test ends.
func startPod(t testing.TB, n node, name, subnet string) pod {
	t.Helper()
	p := pod{node: n, name: name, object: &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, Annotations: map[string]string{}},
		Spec:       corev1.PodSpec{NodeName: n.name, Containers: []corev1.Container{{Name: "pause", Image: "pause"}}},
	}}
	if subnet != "" {
		p.object.Annotations[kubeovnv1.AnnotationLogicalSwitch] = subnet
	}
	if err := api(t).Create(t.Context(), p.object); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = p.end() })
	sh(t, "ip netns add %s", name)
	begun := time.Now()
	out, err := p.plugin(t, "ADD")
	p.took = time.Since(begun)
	var result struct{ IPs []struct{ Address string } }
	if err == nil {
		err = json.Unmarshal([]byte(out), &result)
	}
	if err != nil || len(result.IPs) == 0 {
		t.Fatalf("ADD of %s: %v\n%s", name, err, out)
	}
	p.address, _, _ = strings.Cut(result.IPs[0].Address, "/")
	return p
}

// stop detaches the pod and takes it away, as kubelet does.
func (p pod) stop(t testing.TB) {
	t.Helper()
	if out, err := p.plugin(t, "DEL"); err != nil {
		t.Fatalf("DEL of %s: %v\n%s", p.name, err, out)
	}
	if out, err := p.end(); err != nil {
		t.Fatalf("end %s: %v\n%s", p.name, err, out)
	}
}

// end takes away the namespace and the object; kubelet's part in that is to say
// that nothing runs any more.
func (p pod) end() (string, error) {
	c, err := connected()
	if err == nil {
		err = client.IgnoreNotFound(c.Delete(context.Background(), p.object, client.GracePeriodSeconds(0)))
	}
	if err != nil {
		return "", err
	}
	return try("ip netns del " + p.name)
}

// plugin calls ours as a container runtime does, by the configuration that the
// agent has written.
func (p pod) plugin(t testing.TB, verb string) (string, error) {
	t.Helper()
	file := "/run/" + p.name + ".conf"
	if err := os.WriteFile(file, p.node.configuration(t), 0o600); err != nil {
		t.Fatal(err)
	}
	return try(p.node.at.on(fmt.Sprintf("env CNI_COMMAND=%s CNI_CONTAINERID=%.12x CNI_NETNS=%s CNI_IFNAME=eth0 CNI_PATH=/in 'CNI_ARGS=K8S_POD_NAMESPACE=default;K8S_POD_NAME=%s' /in/kube-ovn <%s",
		verb, sha256.Sum256([]byte(p.name)), p.netns(), p.name, file)))
}

// configuration is what the runtime makes of the node's list of plugins for the
// first of them.
func (n node) configuration(t testing.TB) []byte {
	t.Helper()
	await(t, "ls %s/*.conflist", n.folder)
	var list struct{ Plugins []map[string]any }
	if err := json.Unmarshal([]byte(sh(t, "cat %s/*.conflist", n.folder)), &list); err != nil {
		t.Fatal(err)
	}
	plugin := list.Plugins[0]
	plugin["cniVersion"], plugin["name"] = "1.0.0", "kube-ovn"
	text, err := json.Marshal(plugin)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
