package agent

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/plan"
)

// The contract's reasons of the node condition NetworkUnavailable.
const (
	reasonReachable   = "JoinSubnetGatewayReachable"
	reasonUnreachable = "JoinSubnetGatewayUnreachable"
)

// tell makes an event of each problem, once for as long as it lasts.
func (n *Node) tell(node *corev1.Node, problems []plan.Problem) {
	told := map[string]bool{}
	for _, problem := range problems {
		text := problem.String()
		told[text] = true
		if !n.told[text] {
			n.Events.Eventf(node, nil, corev1.EventTypeWarning, string(problem.Reason), "Configure", "%s", problem.Message)
		}
	}
	n.told = told
}

// setChassis writes the system-id of the node's Open vSwitch, by which the
// controller and tools find its chassis in OVN.
func (n *Node) setChassis(ctx context.Context, node *corev1.Node) error {
	id := n.Host.Switch.ExternalID(keySystemID)
	if id == "" || node.Annotations[kubeovnv1.AnnotationChassis] == id {
		return nil
	}
	change := map[string]any{"metadata": map[string]any{"annotations": map[string]string{kubeovnv1.AnnotationChassis: id}}}
	if err := n.Client.Patch(ctx, bare(node), patchOf(types.MergePatchType, change)); err != nil {
		return fmt.Errorf("annotate node %s with its chassis: %w", node.Name, err)
	}
	return nil
}

// setCondition writes NetworkUnavailable. Once false it stays false: an outage
// of OVN leaves running pods their network, and a node that says otherwise
// would be emptied. An event tells of it instead.
func (n *Node) setCondition(ctx context.Context, node *corev1.Node, missing error) error {
	if settled(node) {
		return nil
	}
	have := conditionOf(node)
	want := corev1.NodeCondition{
		Type: corev1.NodeNetworkUnavailable, Status: corev1.ConditionFalse, Reason: reasonReachable,
		Message: "ovn0 is connected to the join subnet",
	}
	if missing != nil {
		want.Status, want.Reason, want.Message = corev1.ConditionTrue, reasonUnreachable, missing.Error()
	}
	if have != nil && have.Status == want.Status && have.Reason == want.Reason && have.Message == want.Message {
		return nil
	}
	want.LastHeartbeatTime = metav1.Now()
	want.LastTransitionTime = want.LastHeartbeatTime
	if have != nil && have.Status == want.Status {
		want.LastTransitionTime = have.LastTransitionTime
	}
	change := map[string]any{"status": map[string]any{"conditions": []corev1.NodeCondition{want}}}
	if err := n.Client.Status().Patch(ctx, bare(node), patchOf(types.StrategicMergePatchType, change)); err != nil {
		return fmt.Errorf("write condition %s of node %s: %w", want.Type, node.Name, err)
	}
	return nil
}

// settled tells whether the node was ready at some time.
func settled(node *corev1.Node) bool {
	have := conditionOf(node)
	return have != nil && have.Status == corev1.ConditionFalse && have.Reason == reasonReachable
}

func conditionOf(node *corev1.Node) *corev1.NodeCondition {
	for i := range node.Status.Conditions {
		if node.Status.Conditions[i].Type == corev1.NodeNetworkUnavailable {
			return &node.Status.Conditions[i]
		}
	}
	return nil
}

// bare is a node to patch by name; the cache's own object is not ours to change.
func bare(node *corev1.Node) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node.Name}}
}

func patchOf(kind types.PatchType, change map[string]any) client.Patch {
	text, _ := json.Marshal(change) // maps, strings and conditions always marshal
	return client.RawPatch(kind, text)
}
