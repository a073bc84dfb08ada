package uplink

import (
	"context"
	"errors"
	"fmt"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
	nodeplan "hawser/internal/nodeplan/uplink"
	"hawser/internal/steps"
)

// settle brings a plan about. What a Kube-OVN has made, and was only kept, becomes
// ours before anything else is done to it: then all of it is taken back.
func (e Edges) settle(ctx context.Context, s *scene, provider string, want host.Plan) error {
	stands := s.entries[provider].Plan
	if own := nodeplan.Own(stands); own.Hash() != stands.Hash() && want.Hash() != stands.Hash() {
		err := e.Journal.Settle(ctx, provider, own)
		if err != nil && !errors.Is(err, steps.ErrRolledBack) { // rolled back, it is all gone
			return err
		}
	}
	return e.Journal.Settle(ctx, provider, want)
}

// finish takes back what a plan that failed has left, when that could not be taken
// back at once. A NIC may have its own name again then: the host is another.
func (e Edges) finish(ctx context.Context, s *scene, provider string) error {
	entry, begun := s.entries[provider]
	if !begun || len(entry.Plan.Steps) > 0 {
		return nil
	}
	if err := e.Journal.Settle(ctx, provider, host.Plan{}); err != nil {
		return fmt.Errorf("take back what failed: %w", err)
	}
	delete(s.entries, provider)
	return e.look(ctx, s)
}

// release gives a NIC back.
func (u *Uplinks) release(ctx context.Context, s *scene, provider string) error {
	u.holds.forget(provider)
	u.drifts.forget(provider)
	u.questions.forget(provider)
	u.standing.note(provider, verdict{phase: kubeovnv1.PhaseReleased})
	if err := u.Edges.settle(ctx, s, provider, host.Plan{}); err != nil {
		return fmt.Errorf("take the uplink out of provider network %s: %w", provider, err)
	}
	return nil
}
