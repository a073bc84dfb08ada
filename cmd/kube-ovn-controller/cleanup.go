package main

import (
	"cmp"
	"context"
	"fmt"
	"os"

	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/controller"
)

// cleanup ends the controllers and takes our finalizers off all objects. The
// chart runs it before it is uninstalled: without us nobody else would.
func cleanup(ctx context.Context) error {
	cfg, err := restConfig("")
	if err != nil {
		return err
	}
	scheme, err := newScheme()
	if err != nil {
		return err
	}
	api, err := client.NewWithWatch(cfg, client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("connecting to the API server: %w", err)
	}
	namespace := cmp.Or(os.Getenv("POD_NAMESPACE"), "kube-system")
	if err := controller.StandDown(ctx, api, namespace); err != nil {
		return err
	}
	return controller.DropFinalizers(ctx, api, &kubeovnv1.SubnetList{}, &kubeovnv1.VpcList{}, &kubeovnv1.IPList{})
}
