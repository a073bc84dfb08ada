package agent

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubeovnv1 "hawser/api/v1"
)

func TestMTUOfSubnet(t *testing.T) {
	small := &kubeovnv1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "small"}, Spec: kubeovnv1.SubnetSpec{MTU: 1300}}
	plain := &kubeovnv1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "plain"}}
	node := newStage(t, small, plain).node
	node.State.planned(1442)
	for subnet, want := range map[string]int{"small": 1300, "plain": 1442, "not-there-yet": 1442} {
		if got := node.MTU(t.Context(), subnet); got != want {
			t.Errorf("subnet %s: MTU %d instead of %d", subnet, got, want)
		}
	}
}
