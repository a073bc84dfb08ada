package uninstall

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/controller/finalizer"
	"hawser/internal/plan/underlay"
)

// Release deletes the provider networks, and returns when every node has let go
// of its NICs, or when ctx ends; who did not is in the error. The controller has
// to have ended: it would keep what Vlans still name.
func Release(ctx context.Context, api client.WithWatch) error {
	for _, kind := range []client.Object{&kubeovnv1.ProviderNetwork{}, &kubeovnv1.ProviderNetworkNode{}} {
		if err := api.DeleteAllOf(ctx, kind); err != nil {
			return fmt.Errorf("deleting every %T: %w", kind, err)
		}
	}
	var err error
	for done := false; !done && err == nil; {
		done, err = followParts(ctx, api)
	}
	after := context.WithoutCancel(ctx)
	return errors.Join(err, unlabel(after, api), finalizer.DropAll(after, api,
		&kubeovnv1.ProviderNetworkNodeList{}, &kubeovnv1.ProviderNetworkList{}, &kubeovnv1.VlanList{}))
}

// followParts looks at the nodes' parts until no NIC is held any more, or the
// watch ends.
func followParts(ctx context.Context, api client.WithWatch) (done bool, err error) {
	events, err := api.Watch(ctx, &kubeovnv1.ProviderNetworkNodeList{})
	if err != nil {
		return false, fmt.Errorf("watching the nodes' parts in provider networks: %w", err)
	}
	defer events.Stop()
	for {
		holding, err := nodesHolding(ctx, api)
		if err != nil || len(holding) == 0 {
			return len(holding) == 0, err
		}
		select {
		case <-ctx.Done():
			return false, fmt.Errorf("waiting for nodes %v to let go of their NICs: %w", holding, ctx.Err())
		case _, open := <-events.ResultChan():
			if !open {
				return false, nil
			}
		}
	}
}

// nodesHolding names the nodes that have not let go of a NIC, and may still.
func nodesHolding(ctx context.Context, api client.Reader) ([]string, error) {
	var nodes corev1.NodeList
	var parts kubeovnv1.ProviderNetworkNodeList
	if err := errors.Join(api.List(ctx, &nodes), api.List(ctx, &parts)); err != nil {
		return nil, fmt.Errorf("listing the nodes' parts in provider networks: %w", err)
	}
	byName := map[string]*corev1.Node{}
	for i := range nodes.Items {
		byName[nodes.Items[i].Name] = &nodes.Items[i]
	}
	var holding []string
	for i := range parts.Items {
		part := &parts.Items[i]
		if ok, _ := underlay.Released(part, byName[part.Spec.Node], time.Now()); !ok {
			holding = append(holding, part.Spec.Node)
		}
	}
	slices.Sort(holding)
	return slices.Compact(holding), nil
}

// unlabel takes the labels about provider networks off all nodes.
func unlabel(ctx context.Context, api client.Client) error {
	var nodes corev1.NodeList
	if err := api.List(ctx, &nodes); err != nil {
		return fmt.Errorf("listing nodes: %w", err)
	}
	var errs []error
	for i := range nodes.Items {
		node := &nodes.Items[i]
		gone := map[string]any{}
		for _, network := range underlay.Labelled(node) {
			for key := range underlay.NodeLabels(network, nil, node, nil) {
				gone[key] = nil
			}
		}
		if len(gone) == 0 {
			continue
		}
		patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": gone}})
		if err == nil {
			err = client.IgnoreNotFound(api.Patch(ctx, node, client.RawPatch(types.MergePatchType, patch)))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("taking labels off node %s: %w", node.Name, err))
		}
	}
	return errors.Join(errs...)
}
