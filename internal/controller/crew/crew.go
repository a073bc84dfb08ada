// Package crew starts reconcilers when a leader is prepared, instead of having a
// manager that runs already take them. Such a manager could not be stopped while
// they are added: in controller-runtime 0.25 the one who adds waits for the one
// who starts, who waits for the one who stops, who waits for the one who adds
// (pkg/manager/runnable_group.go, stop and ch).
package crew

import (
	"context"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// Crew is a manager for those who build reconcilers with it, and is itself to be
// started. All of them have to be added before.
type Crew struct {
	manager.Manager
	members []manager.Runnable
}

// Add takes a reconciler in.
func (c *Crew) Add(member manager.Runnable) error {
	c.members = append(c.members, member)
	return nil
}

// Start runs all of them, and returns when all have ended: because the context
// did, or with the error of the first that failed.
func (c *Crew) Start(ctx context.Context) error {
	work, ctx := errgroup.WithContext(ctx)
	for _, member := range c.members {
		work.Go(func() error { return member.Start(ctx) })
	}
	return work.Wait()
}
