// Package steps carries out plans that change a host's links, and takes them
// back. It owns the journal: what is about to be done stands on the disk before
// it is done, so that a crash, a kill or a power cut between any two steps ends
// in "as it was" or "as wanted". It does not know what a step does; the edges
// that offer Do and Undo know.
package steps

import (
	"context"

	"hawser/internal/host"
)

// Edge does the steps of some actions.
type Edge interface {
	// Before says what Undo will have to know, before Do has changed anything.
	Before(ctx context.Context, step host.Step) (string, error)
	// Do brings the step about. It finds what an earlier Do of the same step
	// has left, and then changes nothing.
	Do(ctx context.Context, step host.Step) error
	// Undo takes the step back, also one that was done in part or not at all.
	// Step.Before is what Before said.
	Undo(ctx context.Context, step host.Step) error
}
