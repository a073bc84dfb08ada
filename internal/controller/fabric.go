package controller

import (
	"context"
	"errors"
	"fmt"

	"hawser/internal/controller/claim"
	"hawser/internal/controller/room"
	"hawser/internal/logical"
	"hawser/internal/plan"
	"hawser/internal/plan/overlay"
)

// Fabric is what all reconcilers share.
type Fabric struct {
	Store
	Reporter
	Cluster overlay.Cluster
	Network Network
	Claims  *claim.Claims

	networks *networks
	room     *room.Room
	boxes    boxes
}

// boxes wake single keys of the root kinds.
type boxes struct {
	pods, nodes, subnets, vpcs, ips, usage *room.Inbox
}

// NewFabric makes the parts that are shared in memory. The exported fields are
// the caller's to fill.
func NewFabric() *Fabric {
	return &Fabric{
		networks: &networks{byName: map[string]overlay.Network{}},
		room:     room.New(),
		boxes: boxes{
			pods: &room.Inbox{}, nodes: &room.Inbox{}, subnets: &room.Inbox{},
			vpcs: &room.Inbox{}, ips: &room.Inbox{}, usage: &room.Inbox{After: usageInterval},
		},
	}
}

// apply writes a state. What the database refuses for good becomes a problem.
func (f *Fabric) apply(ctx context.Context, owner logical.Owner, want logical.State) ([]plan.Problem, error) {
	_, problems, err := f.applied(ctx, owner, want)
	return problems, err
}

// applied also tells whether anything had to be changed.
func (f *Fabric) applied(ctx context.Context, owner logical.Owner, want logical.State) (changed bool, problems []plan.Problem, err error) {
	count, err := f.Network.Apply(ctx, owner, want)
	var refused *RefusedError
	switch {
	case errors.As(err, &refused):
		return false, []plan.Problem{{Object: owner, Reason: reasonRefused, Message: refused.Error()}}, nil
	case err != nil:
		return false, nil, fmt.Errorf("writing %s to the northbound database: %w", owner, err)
	case count > 0:
		f.room.Change(topicRows(owner))
	}
	return count > 0, nil, nil
}

// reasonRefused is the reason of what OVN does not accept.
const reasonRefused plan.Reason = "Refused"
