package controller

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"hawser/internal/controller/crew"
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
	reconcilers := &crew.Crew{Manager: l.Manager}
	if err := l.Fabric.AddControllers(reconcilers); err != nil {
		return err
	}
	if err := reconcilers.Add(manager.RunnableFunc(l.resync)); err != nil {
		return err
	}
	log.FromContext(ctx).Info("leading")
	return reconcilers.Start(ctx)
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
