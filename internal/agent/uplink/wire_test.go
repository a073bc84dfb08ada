package uplink

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
)

// answers has all that waits be asked, and looks again.
func (s *stage) answers(own, foreign bool) kubeovnv1.Condition {
	s.Helper()
	s.machine.wire = host.Probe{Asked: netip.MustParseAddr("192.0.2.254"), Own: own, Foreign: foreign}
	over, cancel := context.WithCancel(s.Context())
	cancel()
	s.uplinks.questions.run(over, s.machine, s.uplinks.Now)
	s.expect("lan.n1", kubeovnv1.PhaseReady, "")
	for _, condition := range s.status("lan.n1").Conditions {
		if condition.Type == kubeovnv1.ConditionForeignMACsBlocked {
			return condition
		}
	}
	return kubeovnv1.Condition{}
}

// TestANetworkThatBlocksPods is told by a condition and one event, and so is the
// end of it.
func TestANetworkThatBlocksPods(t *testing.T) {
	s := joined(t)
	s.told()
	got := s.answers(true, false)
	if got.Status != metav1.ConditionTrue || !strings.Contains(got.Message, "192.0.2.254 answers the MAC of eth0 and no other") {
		t.Errorf("%+v", got)
	}
	if told := s.told(); strings.Count(told, "Warning ForeignMACsBlocked") != 1 {
		t.Errorf("told %q", told)
	}
	// It is asked again, not at once, and tells of the end.
	if s.answers(true, true); s.machine.probes != 1 {
		t.Errorf("asked %d times", s.machine.probes)
	}
	s.now = s.now.Add(pause)
	s.reconcile()
	if got := s.answers(true, true); got.Status != metav1.ConditionFalse || s.machine.probes != 2 {
		t.Errorf("asked %d times: %+v", s.machine.probes, got)
	}
	if told := s.told(); strings.Count(told, "Normal ForeignMACsPass") != 1 {
		t.Errorf("told %q", told)
	}
}

// TestNobodyAsks where the operator forbids it: nothing is known, and nothing told.
func TestNobodyAsks(t *testing.T) {
	s := joined(t)
	s.uplinks.Silent = true
	s.uplinks.questions.forget("lan")
	s.reconcile()
	if got := s.answers(true, false); got.Type != "" || s.machine.probes != 0 {
		t.Errorf("asked %d times: %+v", s.machine.probes, got)
	}
}

// TestTheWireIsAskedOnce for as long as its carrier stays.
func TestTheWireIsAskedOnce(t *testing.T) {
	s := joined(t)
	carrier := func(is bool) { s.machine.snapshot.Links[0].Carrier = is; s.reconcile() }
	if got := s.answers(true, true); got.Status != metav1.ConditionFalse || strings.Contains(s.told(), "ForeignMACs") {
		t.Errorf("%+v", got)
	}
	s.now = s.now.Add(10 * pause)
	s.reconcile()
	s.answers(true, true)
	if carrier(false); s.machine.probes != 1 {
		t.Errorf("asked %d times", s.machine.probes)
	}
	carrier(true)
	if s.answers(true, true); s.machine.probes != 2 {
		t.Errorf("asked %d times", s.machine.probes)
	}
}

// TestNoAnswerIsNoVerdict, and what was known before stays.
func TestNoAnswerIsNoVerdict(t *testing.T) {
	s := joined(t)
	if got := s.answers(false, false); got.Type != "" {
		t.Errorf("%+v", got)
	}
	s.now = s.now.Add(pause)
	s.reconcile()
	s.answers(true, false)
	s.now = s.now.Add(pause)
	s.reconcile()
	if got := s.answers(false, false); got.Status != metav1.ConditionTrue || s.machine.probes != 3 {
		t.Errorf("asked %d times: %+v", s.machine.probes, got)
	}
}

// TestAnAnswerHasTheHostLookedAt again, by the channel that the manager watches.
func TestAnAnswerHasTheHostLookedAt(t *testing.T) {
	s := newStage(t, part("lan", "eth0"))
	s.uplinks.questions.open()
	s.machine.wire = host.Probe{Asked: netip.MustParseAddr("192.0.2.254"), Own: true}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { s.uplinks.questions.run(ctx, s.machine, s.uplinks.Now); close(ended) }()
	s.reconcile()
	s.approve("lan.n1")
	s.expect("lan.n1", kubeovnv1.PhaseReady, "")
	<-s.uplinks.questions.told
	cancel()
	<-ended
	if conditions := s.expect("lan.n1", kubeovnv1.PhaseReady, "").Conditions; len(conditions) != 2 {
		t.Errorf("%+v", conditions)
	}
}
