package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the group and version of every kind in this package.
var GroupVersion = schema.GroupVersion{Group: "kubeovn.io", Version: "v1"}

var schemeBuilder = runtime.NewSchemeBuilder(addKinds)

// AddToScheme makes the kinds of this package known to a scheme.
var AddToScheme = schemeBuilder.AddToScheme

func addKinds(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&Vpc{}, &VpcList{},
		&Subnet{}, &SubnetList{},
		&IP{}, &IPList{},
		&ProviderNetwork{}, &ProviderNetworkList{},
		&ProviderNetworkNode{}, &ProviderNetworkNodeList{},
		&Vlan{}, &VlanList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
