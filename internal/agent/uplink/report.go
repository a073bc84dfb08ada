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
		status.Attachment = attachmentOf(v.result.Uplinks)
		status.Plan, status.PlanHash = v.result.Story, v.result.Plan.Hash()
	}
	if v.phase == kubeovnv1.PhaseReady {
		status.Message = strings.Join(append([]string{s.joined(part, v) + limits(v)}, v.notes...), "; ")
	}
	for _, nic := range part.Spec.Interfaces {
		if link, found := s.link(nic, v.stands); found {
			status.Interfaces = append(status.Interfaces, interfaceStatus(nic, link, v))
		}
	}
	status.Conditions = r.conditions(s, part, status, v)
	return status
}

// attachmentOf is the one of several ways to attach that the host has most of.
func attachmentOf(uplinks []host.Uplink) kubeovnv1.Attachment {
	if slices.ContainsFunc(uplinks, isShared) {
		return kubeovnv1.AttachmentShared
	}
	return kubeovnv1.Attachment(uplinks[0].Attachment)
}

func limits(v verdict) (text string) {
	for _, up := range v.stands {
		for _, limit := range v.taps[up.NIC].Limits {
			text += "; " + limit.Reason + ": " + limit.Message
		}
	}
	return text
}

// link is a NIC, by whatever name it has in what stands.
func (s *scene) link(nic string, stands []host.Uplink) (host.Link, bool) {
	for _, up := range stands {
		if up.NIC == nic {
			return s.host.NIC(up)
		}
	}
	return s.host.Link(nic)
}

func interfaceStatus(nic string, link host.Link, v verdict) kubeovnv1.UplinkStatus {
	status := kubeovnv1.UplinkStatus{
		Name: nic, MAC: link.MAC.String(), MTU: int32(link.MTU), Carrier: link.Carrier, State: kubeovnv1.UplinkDown,
	}
	for _, up := range v.stands {
		if up.NIC == nic {
			status.Attachment, status.State = kubeovnv1.Attachment(up.Attachment), v.states[nic]
		}
	}
	return status
}

// conditions are those that stand, with what the verdict has news of.
func (r reporter) conditions(s *scene, part *kubeovnv1.ProviderNetworkNode, status kubeovnv1.ProviderNetworkNodeStatus, v verdict) []kubeovnv1.Condition {
	ready := kubeovnv1.Condition{Type: kubeovnv1.ConditionReady, Status: metav1.ConditionFalse, Reason: status.Reason, Message: status.Message}
	if status.Phase == kubeovnv1.PhaseReady {
		ready.Status = metav1.ConditionTrue
	}
	if ready.Reason == "" {
		ready.Reason = string(status.Phase)
	}
	out := slices.Clone(part.Status.Conditions)
	if !mayMeet(v.stands) && !spanning(v.stands) {
		out = slices.DeleteFunc(out, func(c kubeovnv1.Condition) bool { return c.Type == kubeovnv1.ConditionLoopDetected })
	}
	for _, condition := range slices.Concat([]kubeovnv1.Condition{ready}, blocked(v), s.loops(v.stands), closed(v)) {
		condition.ObservedGeneration = part.Generation
		out = r.set(out, condition)
	}
	return out
}

// blocked tells whether the networks behind the NICs let pods through: of the first
// one that does not, else of the first. Without an answer nothing is told, and what
// was told before stays.
func blocked(v verdict) (condition []kubeovnv1.Condition) {
	for _, up := range v.stands {
		wire := v.wires[up.NIC]
		switch {
		case wire.Blocked():
			return []kubeovnv1.Condition{{
				Type: kubeovnv1.ConditionForeignMACsBlocked, Status: metav1.ConditionTrue, Reason: "NoAnswer",
				Message: fmt.Sprintf("%s answers the MAC of %s and no other behind it, so that pods reach nobody: allow several MACs at its port (a switch's port security; a hypervisor's forged transmits, MAC changes, promiscuous mode)", wire.Asked, up.NIC),
			}}
		case wire.Own && condition == nil:
			condition = []kubeovnv1.Condition{{
				Type: kubeovnv1.ConditionForeignMACsBlocked, Status: metav1.ConditionFalse, Reason: "Answered",
				Message: fmt.Sprintf("%s answers other MACs behind %s than the NIC's own", wire.Asked, up.NIC),
			}}
		}
	}
	return condition
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

// ends are the events of the end of a condition that is bad news.
var ends = map[string]string{
	kubeovnv1.ConditionForeignMACsBlocked: "ForeignMACsPass",
	kubeovnv1.ConditionLoopDetected:       "LoopGone",
}

// warn makes an event of conditions that are bad news, and of their end, once each.
func (r reporter) warn(before, now *kubeovnv1.ProviderNetworkNode) {
	for kind, end := range ends {
		was, is := conditionOf(before, kind), conditionOf(now, kind)
		about := topic{part: now.UID, kind: kind}
		if was.Status == is.Status || r.told[about] == string(is.Status) {
			continue
		}
		r.told[about] = string(is.Status)
		switch {
		case is.Status == metav1.ConditionTrue:
			r.events.Eventf(now, nil, corev1.EventTypeWarning, is.Type, "Probe", "%s", is.Message)
		case is.Status == metav1.ConditionFalse && was.Status == metav1.ConditionTrue:
			r.events.Eventf(now, nil, corev1.EventTypeNormal, end, "Probe", "%s", is.Message)
		}
	}
}

// conditionOf is the condition of a type; the zero Condition where nothing is known.
func conditionOf(part *kubeovnv1.ProviderNetworkNode, kind string) kubeovnv1.Condition {
	for _, condition := range part.Status.Conditions {
		if condition.Type == kind {
			return condition
		}
	}
	return kubeovnv1.Condition{}
}
