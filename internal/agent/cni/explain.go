package cni

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// explainWait is short: a call of the runtime waits for the answer, and the
// reason is only an addition to it.
const explainWait = 2 * time.Second

// Explain gives the latest warning that reporter told of a pod in its events,
// or "" if there is none or the API server does not answer. The reader has to
// ask the API server itself; events are in no cache.
func Explain(events client.Reader, reporter string) func(ctx context.Context, namespace, name string) string {
	return func(ctx context.Context, namespace, name string) string {
		ctx, cancel := context.WithTimeout(ctx, explainWait)
		defer cancel()
		var list corev1.EventList
		err := events.List(ctx, &list, client.InNamespace(namespace), client.MatchingFieldsSelector{
			Selector: fields.SelectorFromSet(fields.Set{"involvedObject.kind": "Pod", "involvedObject.name": name, "type": corev1.EventTypeWarning}),
		})
		if err != nil {
			return "" // the message without a reason says where to look
		}
		return latest(list.Items, reporter)
	}
}

func latest(events []corev1.Event, reporter string) (message string) {
	var when time.Time
	for _, event := range events {
		if event.ReportingController != reporter && event.Source.Component != reporter {
			continue
		}
		if seen := lastSeen(event); !seen.Before(when) {
			when, message = seen, event.Message
		}
	}
	return message
}

// lastSeen reads the time of both generations of events.
func lastSeen(event corev1.Event) time.Time {
	switch {
	case event.Series != nil:
		return event.Series.LastObservedTime.Time
	case !event.LastTimestamp.IsZero():
		return event.LastTimestamp.Time
	case !event.EventTime.IsZero():
		return event.EventTime.Time
	}
	return event.CreationTimestamp.Time
}
