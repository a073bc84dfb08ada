package uplink

import (
	"context"
	"fmt"
	"reflect"
	"slices"
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

// told is what events have told of parts last, by what it was about.
type told map[topic]string

// topic is a part and one of its conditions.
type topic struct {
	part types.UID
	kind string
}

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
	r.warn(part, next)
	part.Status = next.Status
	part.ResourceVersion = next.ResourceVersion
	return nil
}

// tell makes an event of where a part has come to, once for as long as it is
// there: the cache may lag behind what was written.
func (r reporter) tell(part *kubeovnv1.ProviderNetworkNode) {
	status := part.Status
	now := string(status.Phase) + status.Reason
	about := topic{part: part.UID, kind: kubeovnv1.ConditionReady}
	if r.told[about] == now {
		return
	}
	r.told[about] = now
	kind, reason := corev1.EventTypeNormal, string(status.Phase)
	if status.Reason != "" && status.Phase != kubeovnv1.PhaseWaiting {
		kind, reason = corev1.EventTypeWarning, status.Reason
	}
	r.events.Eventf(part, nil, kind, reason, "Configure", "%s: %s", strings.Join(part.Spec.Interfaces, ","), status.Message)
}

func (r reporter) status(s *scene, part *kubeovnv1.ProviderNetworkNode, v verdict) kubeovnv1.ProviderNetworkNodeStatus {
	status := kubeovnv1.ProviderNetworkNodeStatus{
		ObservedGeneration: part.Generation, Phase: v.phase, Reason: v.reason, Message: v.message, Step: v.step,
	}
	if v.result != nil {
		status.Attachment = kubeovnv1.Attachment(v.result.Uplink.Attachment)
		status.Plan, status.PlanHash = v.result.Story, v.result.Plan.Hash()
	}
	if v.phase == kubeovnv1.PhaseReady {
		status.Message = strings.Join(append([]string{"the NIC has joined" + limits(v.state)}, v.notes...), "; ")
	}
	for _, nic := range part.Spec.Interfaces {
		if link, found := s.link(nic, v.stands); found {
			status.Interfaces = append(status.Interfaces, interfaceStatus(nic, link, v))
		}
	}
	status.Conditions = r.conditions(part, status, v)
	return status
}

func limits(state host.UplinkState) string {
	text := ""
	for _, limit := range state.Limits {
		text += "; " + limit.Reason + ": " + limit.Message
	}
	return text
}

// link is a NIC, by whatever name it has in what stands.
func (s *scene) link(nic string, stands *host.Uplink) (host.Link, bool) {
	if stands != nil && stands.NIC == nic {
		return s.host.NIC(*stands)
	}
	return s.host.Link(nic)
}

func interfaceStatus(nic string, link host.Link, v verdict) kubeovnv1.UplinkStatus {
	status := kubeovnv1.UplinkStatus{
		Name: nic, MAC: link.MAC.String(), MTU: int32(link.MTU), Carrier: link.Carrier, State: kubeovnv1.UplinkDown,
	}
	if v.stands == nil || v.stands.NIC != nic {
		return status
	}
	status.Attachment = kubeovnv1.Attachment(v.stands.Attachment)
	if link.Carrier {
		status.State = kubeovnv1.UplinkActive
	}
	return status
}

// conditions are those that stand, with what the verdict has news of.
func (r reporter) conditions(part *kubeovnv1.ProviderNetworkNode, status kubeovnv1.ProviderNetworkNodeStatus, v verdict) []kubeovnv1.Condition {
	ready := kubeovnv1.Condition{Type: kubeovnv1.ConditionReady, Status: metav1.ConditionFalse, Reason: status.Reason, Message: status.Message}
	if status.Phase == kubeovnv1.PhaseReady {
		ready.Status = metav1.ConditionTrue
	}
	if ready.Reason == "" {
		ready.Reason = string(status.Phase)
	}
	news := []kubeovnv1.Condition{ready}
	if v.wire.Own {
		news = append(news, blocked(v.stands.NIC, v.wire))
	}
	out := slices.Clone(part.Status.Conditions)
	for _, condition := range news {
		condition.ObservedGeneration = part.Generation
		out = r.set(out, condition)
	}
	return out
}

// blocked tells whether the network behind a NIC lets pods through. Without an
// answer nothing is told, and what was told before stays.
func blocked(nic string, wire host.Probe) kubeovnv1.Condition {
	if !wire.Blocked() {
		return kubeovnv1.Condition{
			Type: kubeovnv1.ConditionForeignMACsBlocked, Status: metav1.ConditionFalse, Reason: "Answered",
			Message: fmt.Sprintf("%s answers other MACs behind %s than the NIC's own", wire.Asked, nic),
		}
	}
	return kubeovnv1.Condition{
		Type: kubeovnv1.ConditionForeignMACsBlocked, Status: metav1.ConditionTrue, Reason: "NoAnswer",
		Message: fmt.Sprintf("%s answers the MAC of %s and no other behind it, so that pods reach nobody: allow several MACs at its port (a switch's port security; a hypervisor's forged transmits, MAC changes, promiscuous mode)", wire.Asked, nic),
	}
}

// set puts a condition in the place of the one of its type, and keeps the times of
// what has not changed.
func (r reporter) set(conditions []kubeovnv1.Condition, next kubeovnv1.Condition) []kubeovnv1.Condition {
	now := metav1.NewTime(r.now().Truncate(time.Second))
	next.LastUpdateTime, next.LastTransitionTime = now, now
	i := slices.IndexFunc(conditions, func(have kubeovnv1.Condition) bool { return have.Type == next.Type })
	if i < 0 {
		return append(conditions, next)
	}
	have := conditions[i]
	if have.Status == next.Status {
		next.LastTransitionTime = have.LastTransitionTime
		if have.Reason == next.Reason && have.Message == next.Message && have.ObservedGeneration == next.ObservedGeneration {
			next.LastUpdateTime = have.LastUpdateTime
		}
	}
	conditions[i] = next
	return conditions
}

// warn makes an event of pods that are not let through, and of the end of that,
// once each.
func (r reporter) warn(before, now *kubeovnv1.ProviderNetworkNode) {
	was, is := foreign(before), foreign(now)
	about := topic{part: now.UID, kind: kubeovnv1.ConditionForeignMACsBlocked}
	if was.Status == is.Status || r.told[about] == string(is.Status) {
		return
	}
	r.told[about] = string(is.Status)
	switch {
	case is.Status == metav1.ConditionTrue:
		r.events.Eventf(now, nil, corev1.EventTypeWarning, is.Type, "Probe", "%s", is.Message)
	case was.Status == metav1.ConditionTrue:
		r.events.Eventf(now, nil, corev1.EventTypeNormal, "ForeignMACsPass", "Probe", "%s", is.Message)
	}
}

// foreign is the condition of whether foreign MACs are blocked; the zero Condition
// where nothing is known.
func foreign(part *kubeovnv1.ProviderNetworkNode) kubeovnv1.Condition {
	for _, condition := range part.Status.Conditions {
		if condition.Type == kubeovnv1.ConditionForeignMACsBlocked {
			return condition
		}
	}
	return kubeovnv1.Condition{}
}
