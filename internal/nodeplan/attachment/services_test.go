package attachment

import (
	"slices"
	"testing"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
)

// TestPlanOfUnderlay: Services have a way of their own, the first of all, in the
// families that the pod has.
func TestPlanOfUnderlay(t *testing.T) {
	link := host.Route{Prefix: prefix("169.254.0.253/32")}
	v4 := host.Route{Prefix: prefix("10.96.0.0/12"), Gateway: addr("169.254.0.253")}
	v6 := host.Route{Prefix: prefix("fd00:10:96::/112"), Gateway: addr("fe80::a9fe:fd")}
	for _, test := range []struct {
		why, addresses, services string
		want                     []host.Route
	}{
		{"both families", "10.16.0.5,fd00:10:16::5", "10.96.0.0/12,fd00:10:96::/112", []host.Route{link, v4, v6}},
		{"a pod of one", "fd00:10:16::5", "10.96.0.0/12,fd00:10:96::/112", []host.Route{v6}},
		{"overlay", "10.16.0.5", "", nil},
	} {
		got, err := Plan(pod(kubeovnv1.AnnotationIPAddress, test.addresses, kubeovnv1.AnnotationServiceCIDR, test.services), call(), 1500)
		if err != nil || len(got.Link.Routes) < len(test.want) || !slices.Equal(got.Link.Routes[:len(test.want)], test.want) && test.want != nil {
			t.Errorf("%s: %+v (%v)", test.why, got.Link.Routes, err)
		}
	}
	if _, err := Plan(pod(kubeovnv1.AnnotationServiceCIDR, "everywhere"), call(), 1500); err == nil {
		t.Error("nonsense passes")
	}
}
