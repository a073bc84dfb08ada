package main

import (
	"cmp"

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
	return resourcelock.NewFromKubeconfig(resourcelock.LeasesResourceLock, o.Namespace, "kube-ovn-controller", holder, cfg, o.RenewDeadline)
}
