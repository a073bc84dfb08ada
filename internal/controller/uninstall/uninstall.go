// Package uninstall is what has to be done before the fabric's programs are
// deleted, in this order: StandDown ends the controllers, Release has nodes let
// go of NICs in provider networks, Dismiss has the agents take away what they put
// on their nodes. All of it, the CNI configuration above all, would outlive their
// pods; only they can take it away, and only now.
package uninstall

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
)

// Dismiss has the agents take away what the fabric put on their nodes, and
// returns when all have, or when ctx ends: a node that is down cannot answer,
// and must not keep anybody from uninstalling. Who did not answer is in the
// error.
func Dismiss(ctx context.Context, api client.WithWatch) error {
	if err := markNodes(ctx, api, `"true"`); err != nil {
		return err
	}
	var err error
	for done := false; !done && err == nil; {
		done, err = followNodes(ctx, api)
	}
	// Without the mark, a later installation begins as the first one did.
	return errors.Join(err, markNodes(context.WithoutCancel(ctx), api, "null"))
}

func markNodes(ctx context.Context, api client.Client, value string) error {
	var nodes corev1.NodeList
	if err := api.List(ctx, &nodes); err != nil {
		return fmt.Errorf("listing nodes: %w", err)
	}
	var errs []error
	for i := range nodes.Items {
		patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%s}}}`, kubeovnv1.AnnotationLeaving, value)
		if err := api.Patch(ctx, &nodes.Items[i], client.RawPatch(types.MergePatchType, []byte(patch))); client.IgnoreNotFound(err) != nil {
			errs = append(errs, fmt.Errorf("marking node %s: %w", nodes.Items[i].Name, err))
		}
	}
	return errors.Join(errs...)
}

// followNodes looks at the nodes until no agent is left on any, or the watch
// ends, which API servers do now and then.
func followNodes(ctx context.Context, api client.WithWatch) (done bool, err error) {
	events, err := api.Watch(ctx, &corev1.NodeList{})
	if err != nil {
		return false, fmt.Errorf("watching nodes: %w", err)
	}
	defer events.Stop()
	for {
		staying, err := nodesWithAgent(ctx, api)
		if err != nil || len(staying) == 0 {
			return len(staying) == 0, err
		}
		select {
		case <-ctx.Done():
			return false, fmt.Errorf("waiting for the agents of nodes %v to leave: %w", staying, ctx.Err())
		case _, open := <-events.ResultChan():
			if !open {
				return false, nil
			}
		}
	}
}

func nodesWithAgent(ctx context.Context, api client.Reader) ([]string, error) {
	var nodes corev1.NodeList
	if err := api.List(ctx, &nodes); err != nil {
		return nil, fmt.Errorf("listing nodes: %w", err)
	}
	var out []string
	for i := range nodes.Items {
		if nodes.Items[i].Annotations[kubeovnv1.AnnotationChassis] != "" {
			out = append(out, nodes.Items[i].Name)
		}
	}
	return out, nil
}
