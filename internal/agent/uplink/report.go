package uplink

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
)

// told is what an event has told of a part.
type told map[types.UID]string

// reporter tells the cluster of parts.
type reporter struct {
	client client.Client
	events events.EventRecorder
	now    func() time.Time
	told   told
}

func (u *Uplinks) reporter() reporter {
	if u.told == nil {
		u.told = told{}
	}
	return reporter{client: u.Client, events: u.Events, now: u.Now, told: u.told}
}

// report writes the status where it differs, and tells of each change once.
func (r reporter) report(ctx context.Context, s *scene, part *kubeovnv1.ProviderNetworkNode, v verdict) error {
	next := part.DeepCopy()
	next.Status = r.status(s, part, v)
	for _, mended := range v.mended {
		r.events.Eventf(next, nil, corev1.EventTypeWarning, "Mended", "Configure", "%s", mended)
	}
	if reflect.DeepEqual(part.Status, next.Status) {
		return nil
	}
	if err := r.client.Status().Patch(ctx, next, client.MergeFrom(part)); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("write the status of %s: %w", part.Name, err))
	}
	r.tell(next)
	part.Status = next.Status
	part.ResourceVersion = next.ResourceVersion
	return nil
}

// tell makes an event of where a part has come to, once for as long as it is
// there: the cache may lag behind what was written.
func (r reporter) tell(part *kubeovnv1.ProviderNetworkNode) {
	status := part.Status
	now := string(status.Phase) + status.Reason
	if r.told[part.UID] == now {
		return
	}
	r.told[part.UID] = now
	kind, reason := corev1.EventTypeNormal, string(status.Phase)
	if status.Reason != "" && status.Phase != kubeovnv1.PhaseWaiting {
		kind, reason = corev1.EventTypeWarning, status.Reason
	}
	r.events.Eventf(part, nil, kind, reason, "Configure", "%s: %s", strings.Join(part.Spec.Interfaces, ","), status.Message)
}

func (r reporter) status(s *scene, part *kubeovnv1.ProviderNetworkNode, v verdict) kubeovnv1.ProviderNetworkNodeStatus {
	status := kubeovnv1.ProviderNetworkNodeStatus{
		ObservedGeneration: part.Generation, Phase: v.phase, Reason: v.reason, Message: v.message, Step: v.step,
		Conditions: part.Status.Conditions,
	}
	if v.result != nil {
		status.Attachment = kubeovnv1.Attachment(v.result.Uplink.Attachment)
		status.Plan, status.PlanHash = v.result.Plan.Text(), v.result.Plan.Hash()
	}
	if v.phase == kubeovnv1.PhaseReady {
		status.Message = "the NIC has joined" + limits(v.state)
	}
	for _, nic := range part.Spec.Interfaces {
		if link, found := s.host.Link(nic); found {
			status.Interfaces = append(status.Interfaces, interfaceStatus(link, v))
		}
	}
	status.Conditions = r.conditions(part, status)
	return status
}

func limits(state host.UplinkState) string {
	text := ""
	for _, limit := range state.Limits {
		text += "; " + limit.Reason + ": " + limit.Message
	}
	return text
}

func interfaceStatus(link host.Link, v verdict) kubeovnv1.UplinkStatus {
	status := kubeovnv1.UplinkStatus{
		Name: link.Name, MAC: link.MAC.String(), MTU: int32(link.MTU), Carrier: link.Carrier, State: kubeovnv1.UplinkDown,
	}
	if v.stands {
		status.Attachment = kubeovnv1.Attachment(v.result.Uplink.Attachment)
	}
	if v.stands && link.Carrier {
		status.State = kubeovnv1.UplinkActive
	}
	return status
}

// conditions keep the times of what has not changed, and the conditions of
// others.
func (r reporter) conditions(part *kubeovnv1.ProviderNetworkNode, status kubeovnv1.ProviderNetworkNodeStatus) []kubeovnv1.Condition {
	ready := kubeovnv1.Condition{
		Type: kubeovnv1.ConditionReady, Status: metav1.ConditionFalse,
		Reason: status.Reason, Message: status.Message, ObservedGeneration: part.Generation,
	}
	if status.Phase == kubeovnv1.PhaseReady {
		ready.Status = metav1.ConditionTrue
	}
	if ready.Reason == "" {
		ready.Reason = string(status.Phase)
	}
	now := metav1.NewTime(r.now().Truncate(time.Second))
	ready.LastUpdateTime, ready.LastTransitionTime = now, now
	var out []kubeovnv1.Condition
	for _, have := range part.Status.Conditions {
		if have.Type != ready.Type {
			out = append(out, have)
			continue
		}
		if have.Status == ready.Status {
			ready.LastTransitionTime = have.LastTransitionTime
		}
		if have.Status == ready.Status && have.Reason == ready.Reason && have.Message == ready.Message && have.ObservedGeneration == ready.ObservedGeneration {
			ready.LastUpdateTime = have.LastUpdateTime
		}
	}
	return append(out, ready)
}
