package controller

import (
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/controller/claim"
	"hawser/internal/ipam"
	"hawser/internal/logical"
	"hawser/internal/plan"
)

// problemOfAddress turns the refusal of an address into what its user should
// read; ok is false for an error that is no refusal.
func problemOfAddress(object logical.Owner, err error) (problem plan.Problem, ok bool) {
	var refusal *ipam.Error
	if !errors.As(err, &refusal) {
		return plan.Problem{}, false
	}
	problem = plan.Problem{Object: object, Reason: plan.OutOfSubnet, Message: refusal.Error() + "; ask for another one"}
	switch {
	case errors.Is(err, ipam.ErrFull):
		problem.Reason = plan.SubnetFull
		problem.Message = refusal.Error() + "; grow its cidrBlock, shorten its excludeIps, or bind another subnet to the namespace"
	case errors.Is(err, ipam.ErrTaken):
		problem.Reason = plan.AddressConflict
		problem.Message = refusal.Error() + "; delete that one or ask for another address"
	case errors.Is(err, ipam.ErrUnknownSubnet):
		problem.Reason = plan.UnknownSubnet
		problem.Message = fmt.Sprintf("subnet %s is not realised; see kubectl describe subnet %s", refusal.Subnet, refusal.Subnet)
	}
	return problem, true
}

// problemOfLoss tells the holder of a claim that an elder has the address.
func problemOfLoss(object logical.Owner, lost *claim.LostError) plan.Problem {
	return plan.Problem{Object: object, Reason: plan.AddressConflict, Message: fmt.Sprintf(
		"%s of subnet %s is held by the older IP object %s; delete that one or ask for another address",
		lost.IP.Spec.IPAddress, lost.IP.Spec.Subnet, lost.Rival)}
}

// sinceScheduled tells how long a pod has been on its node, in seconds.
func sinceScheduled(pod *corev1.Pod) float64 {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled {
			return time.Since(condition.LastTransitionTime.Time).Seconds()
		}
	}
	return 0
}

// kindOf tells the kind of an object that came from a typed cache, which does
// not fill it in.
func kindOf(obj client.Object) schema.GroupVersionKind {
	switch obj.(type) {
	case *corev1.Pod:
		return corev1.SchemeGroupVersion.WithKind("Pod")
	case *corev1.Node:
		return corev1.SchemeGroupVersion.WithKind("Node")
	case *corev1.Namespace:
		return corev1.SchemeGroupVersion.WithKind("Namespace")
	case *kubeovnv1.Vpc:
		return kubeovnv1.GroupVersion.WithKind("Vpc")
	case *kubeovnv1.Subnet:
		return kubeovnv1.GroupVersion.WithKind("Subnet")
	case *kubeovnv1.IP:
		return kubeovnv1.GroupVersion.WithKind("IP")
	}
	return schema.GroupVersionKind{}
}

// distinct drops repeated subnets.
func distinct(subnets []*kubeovnv1.Subnet) []*kubeovnv1.Subnet {
	seen := map[string]bool{}
	var unique []*kubeovnv1.Subnet
	for _, subnet := range subnets {
		if !seen[subnet.Name] {
			seen[subnet.Name] = true
			unique = append(unique, subnet)
		}
	}
	return unique
}
