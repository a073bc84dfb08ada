package judgement_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/controller/judgement"
	"hawser/internal/plan"
)

func TestConditions(t *testing.T) {
	problem := []plan.Problem{{Reason: "Overlap", Message: "cidrBlock overlaps a"}, {Reason: "Other", Message: "and b"}}
	cases := []struct {
		name       string
		verdict    judgement.Verdict
		realisable bool
		want       []string // type=status reason: message
	}{
		{"all is well", judgement.Verdict{}, true,
			[]string{"Validated=True Validated: ", "Ready=True Ready: ", "Supported=True AllFieldsSupported: "}},
		{"the user's mistakes", judgement.Verdict{Problems: problem}, false,
			[]string{"Validated=False Overlap: cidrBlock overlaps a; and b", "Ready=False Overlap: cidrBlock overlaps a; and b", "Supported=True AllFieldsSupported: "}},
		{"OVN refuses", judgement.Verdict{Refused: problem[:1]}, true,
			[]string{"Validated=True Validated: ", "Ready=False Overlap: cidrBlock overlaps a", "Supported=True AllFieldsSupported: "}},
		{"a field that protects", judgement.Verdict{Blocking: []string{"spec.acls"}, Others: []string{"spec.vips"}}, false,
			[]string{"Validated=True Validated: ", "Ready=False Unsupported: not built yet, so the object is not realised: spec.acls; remove the field to go without", "Supported=False Unsupported: not built yet, so the object is not realised: spec.acls; remove the field to go without"}},
		{"a field that does not", judgement.Verdict{Others: []string{"spec.vips", "spec.routeTable"}}, true,
			[]string{"Validated=True Validated: ", "Ready=True Ready: ", "Supported=False FieldsNotSupported: not built yet, realised without: spec.vips, spec.routeTable"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, condition := range c.verdict.Conditions() {
				got = append(got, condition.Type+"="+string(condition.Status)+" "+condition.Reason+": "+condition.Message)
			}
			if text, want := strings.Join(got, "\n"), strings.Join(c.want, "\n"); text != want {
				t.Errorf("conditions are\n%s, not\n%s", text, want)
			}
			if got := c.verdict.Realisable(); got != c.realisable {
				t.Errorf("realisable is %v", got)
			}
		})
	}
}

func TestMerge(t *testing.T) {
	first, second := time.Unix(1000, 0), time.Unix(2000, 0)
	foreign := kubeovnv1.Condition{Type: "Theirs", Status: metav1.ConditionTrue}
	ready := kubeovnv1.Condition{Type: "Ready", Status: metav1.ConditionTrue, Reason: "Ready"}

	list, news := judgement.Merge([]kubeovnv1.Condition{foreign}, []kubeovnv1.Condition{ready}, 1, first)
	if len(list) != 2 || list[0] != foreign || len(news) != 1 || !list[1].LastTransitionTime.Time.Equal(first) {
		t.Fatalf("a new condition: %+v, news %+v", list, news)
	}
	same, news := judgement.Merge(list, []kubeovnv1.Condition{ready}, 1, second)
	if same[1] != list[1] || len(news) != 0 {
		t.Errorf("nothing changed, but: %+v, news %+v", same, news)
	}
	newer, news := judgement.Merge(list, []kubeovnv1.Condition{ready}, 2, second)
	if newer[1].ObservedGeneration != 2 || !newer[1].LastTransitionTime.Time.Equal(first) || len(news) != 0 {
		t.Errorf("only the generation changed: %+v, news %+v", newer, news)
	}
	ready.Status, ready.Reason = metav1.ConditionFalse, "Overlap"
	worse, news := judgement.Merge(list, []kubeovnv1.Condition{ready}, 2, second)
	if !worse[1].LastTransitionTime.Time.Equal(second) || len(news) != 1 {
		t.Errorf("the status changed: %+v, news %+v", worse, news)
	}
}

func TestHolds(t *testing.T) {
	list := []kubeovnv1.Condition{{Type: "Ready", Status: metav1.ConditionTrue, ObservedGeneration: 2}}
	if !judgement.Holds(list, "Ready", 2) || judgement.Holds(list, "Ready", 3) || judgement.Holds(list, "Validated", 2) {
		t.Error("a condition holds for its own generation only")
	}
}
