package uninstall

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// deploymentName names the controller's Deployment, and is the value of the
// label app of its pods.
const deploymentName = "kube-ovn-controller"

// StandDown ends all controllers of the namespace and returns when their pods
// are gone. One that still runs would put back at once what an uninstallation
// takes off the objects.
func StandDown(ctx context.Context, api client.WithWatch, namespace string) error {
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: deploymentName}}
	noReplicas := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"replicas":0}}`))
	if err := api.Patch(ctx, deployment, noReplicas); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("ending the controller: %w", err)
	}
	for {
		gone, err := followPods(ctx, api, namespace)
		if gone || err != nil {
			return err
		}
	}
}

// followPods looks at the controller's pods until they are gone or the watch
// ends, which API servers do now and then.
func followPods(ctx context.Context, api client.WithWatch, namespace string) (gone bool, err error) {
	ours := []client.ListOption{client.InNamespace(namespace), client.MatchingLabels{"app": deploymentName}}
	// The watch is there before the list, so that no pod goes unseen in between.
	events, err := api.Watch(ctx, &corev1.PodList{}, ours...)
	if err != nil {
		return false, fmt.Errorf("watching the controller's pods: %w", err)
	}
	defer events.Stop()
	for {
		var pods corev1.PodList
		if err := api.List(ctx, &pods, ours...); err != nil {
			return false, fmt.Errorf("listing the controller's pods: %w", err)
		}
		if len(pods.Items) == 0 {
			return true, nil
		}
		select {
		case <-ctx.Done():
			return false, fmt.Errorf("waiting for %d pods of the controller to end: %w", len(pods.Items), ctx.Err())
		case _, open := <-events.ResultChan():
			if !open {
				return false, nil
			}
		}
	}
}
