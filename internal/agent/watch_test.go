package agent

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/event"

	kubeovnv1 "hawser/api/v1"
)

func bigNode() *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: "n1", ResourceVersion: "7", UID: "u", Labels: map[string]string{"zone": "a"},
			Annotations: map[string]string{"other": "x", kubeovnv1.AnnotationChassis: "c"},
		},
		Spec: corev1.NodeSpec{PodCIDR: "10.0.0.0/24"},
		Status: corev1.NodeStatus{
			Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "172.30.0.11"}},
			Images:    []corev1.ContainerImage{{Names: []string{"big"}}},
			Conditions: []corev1.NodeCondition{
				{Type: corev1.NodeReady, Status: corev1.ConditionTrue},
				{Type: corev1.NodeNetworkUnavailable, Status: corev1.ConditionFalse, Reason: reasonReachable, LastHeartbeatTime: metav1.Now()},
			},
		},
	}
}

func slim(t *testing.T, node *corev1.Node) *corev1.Node {
	t.Helper()
	out, err := Slim(node)
	if err != nil {
		t.Fatal(err)
	}
	return out.(*corev1.Node)
}

func TestSlimKeepsWhatPlansNeed(t *testing.T) {
	want := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "n1", ResourceVersion: "7", UID: "u", Annotations: map[string]string{kubeovnv1.AnnotationChassis: "c"}},
		Status: corev1.NodeStatus{
			Addresses:  []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "172.30.0.11"}},
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeNetworkUnavailable, Status: corev1.ConditionFalse, Reason: reasonReachable}},
		},
	}
	if diff := cmp.Diff(want, slim(t, bigNode())); diff != "" {
		t.Error(diff)
	}
	if out, err := Slim("tombstone"); out != "tombstone" || err != nil {
		t.Errorf("%v, %v", out, err)
	}
}

func TestOnlyWhatMattersOfANodeWakes(t *testing.T) {
	old := slim(t, bigNode())
	for name, c := range map[string]struct {
		change func(*corev1.Node)
		wakes  bool
	}{
		"heartbeat": {func(n *corev1.Node) { n.ResourceVersion = "8"; n.Status.Conditions[0].LastHeartbeatTime = metav1.Now() }, false},
		"label":     {func(n *corev1.Node) { n.Labels["zone"] = "b" }, false},
		"address":   {func(n *corev1.Node) { n.Status.Addresses[0].Address = "172.30.0.12" }, true},
		"ours":      {func(n *corev1.Node) { n.Annotations[kubeovnv1.AnnotationIPAddress] = "100.64.0.2" }, true},
		"condition": {func(n *corev1.Node) { n.Status.Conditions[1].Status = corev1.ConditionTrue }, true},
	} {
		now := bigNode()
		c.change(now)
		if got := nodeChanged().Update(event.UpdateEvent{ObjectOld: old, ObjectNew: slim(t, now)}); got != c.wakes {
			t.Errorf("%s wakes: %v, want %v", name, got, c.wakes)
		}
	}
}

func TestAFileIsWrittenInOneStepOrNotAtAll(t *testing.T) {
	if err := (File{}).write(); err != nil {
		t.Error(err)
	}
	if err := (File{Path: t.TempDir() + "/none/x", Content: []byte("x")}).write(); err == nil {
		t.Error("a folder that is not there is no error")
	}
}
