package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/google/uuid"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"hawser/internal/controller/options"
)

// electionLock is the Lease by which controllers elect a leader. Its holder is
// called by the pod's name, so that a container that was killed and started
// again in its pod goes on at once, and does not wait for its own lease to end.
func electionLock(cfg *rest.Config, o options.Options) (resourcelock.Interface, error) {
	holder := resourcelock.ResourceLockConfig{Identity: cmp.Or(o.Pod, uuid.NewString())}
	lock, err := resourcelock.NewFromKubeconfig(resourcelock.LeasesResourceLock, o.Namespace, "kube-ovn-controller", holder, cfg, o.RenewDeadline)
	return &ownLock{Interface: lock}, err
}

// ownLock releases only a lease that is still ours. A leader that was stopped for
// longer than its lease, and goes on, believes that it leads until it has ended;
// on its way out client-go would empty the lease that by then is its successor's.
type ownLock struct {
	resourcelock.Interface
	holder string // as last read; client-go uses a lock one call at a time
}

// Get reads the lease.
func (l *ownLock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := l.Interface.Get(ctx)
	if record != nil {
		l.holder = record.HolderIdentity
	}
	return record, raw, err
}

// Update writes the lease, unless that would take it from somebody else.
func (l *ownLock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	if record.HolderIdentity == "" && l.holder != l.Identity() {
		return fmt.Errorf("the lease is held by %q by now: it is not ours to release", l.holder)
	}
	return l.Interface.Update(ctx, record)
}
