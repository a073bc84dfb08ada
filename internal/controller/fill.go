package controller

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/controller/finalizer"
	"hawser/internal/plan/overlay"
)

// fieldManager is the name under which fields are owned in server-side apply.
const fieldManager = "kube-ovn-controller"

// complete adds our finalizer to a Subnet and fills the fields that the
// contract's controller fills, where the user left them empty.
//
// What is applied always holds every field that has the value we would give it:
// server-side apply takes away what a manager applied once and leaves out later.
func (r *Subnets) complete(ctx context.Context, subnet *kubeovnv1.Subnet) error {
	if len(overlay.Defaults(r.Cluster, subnet)) == 0 && finalizer.On(subnet) {
		return nil
	}
	object := &unstructured.Unstructured{Object: map[string]any{"spec": r.fillable(subnet)}}
	object.SetGroupVersionKind(kubeovnv1.GroupVersion.WithKind("Subnet"))
	object.SetName(subnet.Name)
	object.SetUID(subnet.UID)
	object.SetFinalizers([]string{kubeovnv1.Finalizer})
	err := r.API.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner(fieldManager), client.ForceOwnership)
	if err != nil {
		return fmt.Errorf("filling in the defaults of subnet %s: %w", subnet.Name, err)
	}
	return nil
}

// fillable is every field that we fill, if it is empty or has our value.
func (r *Subnets) fillable(subnet *kubeovnv1.Subnet) map[string]any {
	bare := subnet.DeepCopy()
	bare.Spec.Gateway, bare.Spec.Vpc, bare.Spec.Provider = "", "", ""
	bare.Spec.Protocol, bare.Spec.GatewayType = "", ""
	fields := overlay.Defaults(r.Cluster, bare)
	for name, have := range map[string]string{
		"gateway": subnet.Spec.Gateway, "vpc": subnet.Spec.Vpc, "provider": subnet.Spec.Provider,
		"gatewayType": subnet.Spec.GatewayType,
	} {
		if have != "" && have != fields[name] {
			delete(fields, name)
		}
	}
	return fields
}
