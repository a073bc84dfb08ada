// Package v1 is the API that users write: the kinds of group kubeovn.io,
// version v1, with the names, fields and meanings of Kube-OVN's, so that
// existing manifests and tools work unchanged.
//
// It holds types, their validation as far as a schema and CEL can know it, and
// the keys of annotations and labels. It imports nothing but apimachinery, and
// nothing here talks to a cluster. What only a look-up in the cluster can decide
// (overlapping CIDRs, names that clash across kinds) is reported by the
// controller as condition Validated=False.
//
// Every schema is complete: a field that is not built yet is accepted here, and
// package support says what happens to it.
//
// +kubebuilder:object:generate=true
// +groupName=kubeovn.io
package v1

//go:generate go tool controller-gen object crd paths=. output:crd:dir=../../charts/kube-ovn/templates/crds
