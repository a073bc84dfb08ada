package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
	"hawser/cmd/internal/program"
	"hawser/internal/controller/finalizer"
	"hawser/internal/controller/uninstall"
)

// cleanup ends the controllers, has the agents let go of NICs in provider
// networks and leave their nodes, and takes our finalizers off all objects. The
// chart runs it before it is uninstalled: without us nobody else would.
func cleanup(ctx context.Context) error {
	cfg, err := program.Server("", "kube-ovn-controller")
	if err != nil {
		return err
	}
	scheme, err := program.Scheme()
	if err != nil {
		return err
	}
	api, err := client.NewWithWatch(cfg, client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("connecting to the API server: %w", err)
	}
	namespace := cmp.Or(os.Getenv("POD_NAMESPACE"), "kube-system")
	if err := uninstall.StandDown(ctx, api, namespace); err != nil {
		return err
	}
	for _, leave := range []struct {
		what     func(context.Context, client.WithWatch) error
		patience time.Duration
	}{{uninstall.Release, patienceWithNICs}, {uninstall.Dismiss, patience}} {
		if err := within(ctx, leave.patience, api, leave.what); err != nil {
			ctrl.Log.Error(err, "not every node was left as it was found")
		}
	}
	return finalizer.DropAll(ctx, api, &kubeovnv1.SubnetList{}, &kubeovnv1.VpcList{}, &kubeovnv1.IPList{})
}

// patience with agents: each needs less than a second for what it put on its
// node, and a few for its NICs; a node that is down never answers.
const (
	patience         = 20 * time.Second
	patienceWithNICs = 60 * time.Second
)

func within(ctx context.Context, limit time.Duration, api client.WithWatch, do func(context.Context, client.WithWatch) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return do(ctx, api)
}
