package controller

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/plan"
)

// Reporter tells users, on the objects that they look at.
type Reporter struct {
	API    client.Client // writes only
	Events Recorder
}

// warn puts problems onto the object that the user looks at.
func (r Reporter) warn(object runtime.Object, problems []plan.Problem) {
	for _, p := range problems {
		r.Events.Eventf(object, nil, corev1.EventTypeWarning, string(p.Reason), "Reconcile", "%s", p.Message)
	}
}

// patchStatus writes what differs in the status, unless nothing does.
func (r Reporter) patchStatus(ctx context.Context, old, next client.Object) error {
	if err := r.API.Status().Patch(ctx, next, client.MergeFrom(old)); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("writing the status of %s: %w", old.GetName(), err))
	}
	return nil
}

// announce makes an event of each condition that has become bad.
func (r Reporter) announce(obj client.Object, news []kubeovnv1.Condition) {
	for _, c := range news {
		if c.Status == metav1.ConditionFalse {
			r.Events.Eventf(obj, nil, corev1.EventTypeWarning, c.Reason, "Reconcile", "%s", c.Message)
		}
	}
}
