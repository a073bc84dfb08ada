package agent

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubeovnv1 "hawser/api/v1"
)

// fakeUplinks has joined "lan" only.
type fakeUplinks struct{ *edge }

func (f fakeUplinks) MTU(provider string) (int, error) {
	if provider != "lan" {
		return 0, errors.New("no part in " + provider)
	}
	return 9000, nil
}

func (f fakeUplinks) Leave(context.Context) error {
	_, err := f.do("leave uplinks", nil)
	return err
}

func TestMTUOfPods(t *testing.T) {
	small := &kubeovnv1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "small"}, Spec: kubeovnv1.SubnetSpec{MTU: 1300}}
	plain := &kubeovnv1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "plain"}}
	node := newStage(t, small, plain).node
	node.State.planned(1442)
	terms := Terms{Client: node.Client, State: node.State, Uplinks: node.Uplinks}
	for _, c := range []struct {
		subnet, provider string
		want             int
	}{
		{"small", "", 1300}, {"plain", "", 1442}, {"not-there-yet", "", 1442},
		{"plain", "lan", 9000}, {"small", "lan", 1300}, {"plain", "wan", 0}, {"small", "wan", 0},
	} {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{
			kubeovnv1.AnnotationLogicalSwitch: c.subnet, kubeovnv1.AnnotationProviderNetwork: c.provider,
		}}}
		got, err := terms.MTU(t.Context(), pod)
		if got != c.want || (err == nil) != (c.want > 0) {
			t.Errorf("subnet %s in %q: MTU %d, %v; want %d", c.subnet, c.provider, got, err, c.want)
		}
	}
}

func TestGatewaysAreCheckedUnlessAskedNotTo(t *testing.T) {
	plain := &kubeovnv1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "plain"}}
	lax := &kubeovnv1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "lax"}, Spec: kubeovnv1.SubnetSpec{DisableGatewayCheck: true}}
	terms := Terms{Client: newStage(t, plain, lax).node.Client}
	for subnet, want := range map[string]bool{"plain": true, "lax": false, "not-there-yet": false} {
		if got := terms.ChecksGateway(t.Context(), subnet); got != want {
			t.Errorf("subnet %s: %v", subnet, got)
		}
	}
}
