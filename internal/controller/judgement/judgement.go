// Package judgement turns what was found about an object into the conditions of
// its status. It decides nothing about the object and writes nothing.
package judgement

import (
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/plan"
)

// Reasons of conditions that are True.
const (
	reasonValidated = "Validated"
	reasonReady     = "Ready"
	reasonComplete  = "AllFieldsSupported"
	reasonPartly    = "FieldsNotSupported"
)

// Verdict is what was found about an object.
type Verdict struct {
	Problems []plan.Problem // why the object is not realised
	Refused  []plan.Problem // why OVN does not take it
	Blocking []string       // fields without which it must not be realised
	Others   []string       // fields without which it was
}

// Realisable tells whether the object may be written at all.
func (v Verdict) Realisable() bool { return len(v.Problems) == 0 && len(v.Blocking) == 0 }

// Conditions says all of it, in the order in which one reads.
func (v Verdict) Conditions() []kubeovnv1.Condition {
	validated := condition(kubeovnv1.ConditionValidated, v.Problems, reasonValidated)
	ready := condition(kubeovnv1.ConditionReady, slices.Concat(v.Problems, v.Refused), reasonReady)
	supported := kubeovnv1.Condition{
		Type: kubeovnv1.ConditionSupported, Status: metav1.ConditionTrue, Reason: reasonComplete,
	}
	if len(v.Others) > 0 {
		supported.Status, supported.Reason = metav1.ConditionFalse, reasonPartly
		supported.Message = "not built yet, realised without: " + strings.Join(v.Others, ", ")
	}
	if len(v.Blocking) > 0 {
		message := unsupportedMessage(v.Blocking)
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, kubeovnv1.ReasonUnsupported, message
		supported.Status, supported.Reason, supported.Message = metav1.ConditionFalse, kubeovnv1.ReasonUnsupported, message
	}
	return []kubeovnv1.Condition{validated, ready, supported}
}

func unsupportedMessage(fields []string) string {
	return "not built yet, so the object is not realised: " + strings.Join(fields, ", ") + "; remove the field to go without"
}

// condition is True without problems.
func condition(kind string, problems []plan.Problem, good string) kubeovnv1.Condition {
	if len(problems) == 0 {
		return kubeovnv1.Condition{Type: kind, Status: metav1.ConditionTrue, Reason: good}
	}
	var messages []string
	for _, p := range problems {
		messages = append(messages, p.Message)
	}
	return kubeovnv1.Condition{
		Type: kind, Status: metav1.ConditionFalse,
		Reason: string(problems[0].Reason), Message: strings.Join(messages, "; "),
	}
}

// Merge puts conditions into a list: times are kept where nothing changed, and
// what others have written stays. It also returns the ones that are news.
func Merge(have, want []kubeovnv1.Condition, generation int64, now time.Time) (list, news []kubeovnv1.Condition) {
	list = slices.Clone(have)
	for _, c := range want {
		c.ObservedGeneration = generation
		c.LastUpdateTime, c.LastTransitionTime = metav1.NewTime(now), metav1.NewTime(now)
		i := slices.IndexFunc(list, func(old kubeovnv1.Condition) bool { return old.Type == c.Type })
		if i < 0 {
			list, news = append(list, c), append(news, c)
			continue
		}
		if old := list[i]; old.Status == c.Status {
			if old.Reason == c.Reason && old.Message == c.Message && old.ObservedGeneration == c.ObservedGeneration {
				continue
			}
			c.LastTransitionTime = old.LastTransitionTime
		}
		if old := list[i]; old.Status != c.Status || old.Reason != c.Reason || old.Message != c.Message {
			news = append(news, c)
		}
		list[i] = c
	}
	return list, news
}

// Holds tells whether a condition holds for the spec as it is now.
func Holds(conditions []kubeovnv1.Condition, kind string, generation int64) bool {
	return slices.ContainsFunc(conditions, func(c kubeovnv1.Condition) bool {
		return c.Type == kind && c.Status == metav1.ConditionTrue && c.ObservedGeneration == generation
	})
}
