package controller

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// Leader is what a process does, in this order, when it has become leader. A
// process that has lost the lease ends; nothing here is ever undone.
type Leader struct {
	Manager  manager.Manager
	Fabric   *Fabric
	Defaults Defaults
	// Connect makes the certificates if they are wanted, connects to the
	// northbound database and locks out the leader before. It returns when all
	// that is done, however long the database is away.
	Connect func(ctx context.Context) (Network, error)
}

// NeedLeaderElection is true: standby replicas only keep their caches warm.
func (l *Leader) NeedLeaderElection() bool { return true }

// Start leads until the context ends.
func (l *Leader) Start(ctx context.Context) error {
	if err := l.prepare(ctx); err != nil {
		return err
	}
	team := &team{Manager: l.Manager}
	if err := l.Fabric.AddControllers(team); err != nil {
		return err
	}
	work, ctx := errgroup.WithContext(ctx)
	for _, member := range team.members {
		work.Go(func() error { return member.Start(ctx) })
	}
	work.Go(func() error { return l.resync(ctx) })
	log.FromContext(ctx).Info("leading")
	return work.Wait()
}

// resync plans everything anew whenever the database may be another one.
func (l *Leader) resync(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.Fabric.Network.Renewed():
			if err := l.Fabric.Resync(ctx); err != nil {
				return err
			}
		}
	}
}

// team is a manager that leaves the reconcilers to the leader, who starts them
// when it is prepared and returns when they have ended. The manager itself could
// not be stopped while they are added: in controller-runtime 0.25 the one who
// adds waits for the one who starts, who waits for the one who stops, who waits
// for the one who adds (pkg/manager/runnable_group.go, stop and ch).
type team struct {
	manager.Manager
	members []manager.Runnable
}

// Add takes a reconciler in.
func (t *team) Add(member manager.Runnable) error {
	t.members = append(t.members, member)
	return nil
}

func (l *Leader) prepare(ctx context.Context) error {
	f := l.Fabric
	if err := Bootstrap(ctx, f.API, l.Defaults); err != nil {
		return err
	}
	network, err := l.Connect(ctx)
	if err != nil {
		return fmt.Errorf("connecting to the northbound database: %w", err)
	}
	f.Network = network
	select {
	case <-f.Claims.Book.Filled:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := f.Remember(ctx); err != nil {
		return err
	}
	f.Sweep()
	return nil
}
