package main

import (
	"context"
	"errors"

	"hawser/internal/controller"
	"hawser/internal/logical"
	"hawser/internal/northbound"
)

// network translates the errors of the northbound edge into the controller's
// words; neither imports the other.
type network struct {
	*northbound.Client
	deposed func(error) // ends the process
}

// Apply is that of the edge.
func (n *network) Apply(ctx context.Context, owner logical.Owner, want logical.State) (int, error) {
	changed, err := n.Client.Apply(ctx, owner, want)
	var refused *northbound.ConstraintError
	switch {
	case errors.Is(err, northbound.ErrParentMissing):
		return changed, errors.Join(controller.ErrParentMissing, err)
	case errors.Is(err, northbound.ErrDeposed):
		n.deposed(err)
	case errors.As(err, &refused):
		return changed, &controller.RefusedError{Owner: refused.Owner, Reason: refused.Reason}
	}
	return changed, err
}
