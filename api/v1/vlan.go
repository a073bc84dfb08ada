package v1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Vlan is one VLAN of a provider network; subnets name it to have their pods
// there.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=vlans,singular=vlan,shortName=vlan,scope=Cluster
// +kubebuilder:metadata:annotations="helm.sh/resource-policy=keep"
// +kubebuilder:printcolumn:name="ID",type=integer,JSONPath=`.spec.id`
// +kubebuilder:printcolumn:name="Provider",type=string,JSONPath=`.spec.provider`
// +kubebuilder:printcolumn:name="conflict",type=boolean,JSONPath=`.status.conflict`
type Vlan struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec VlanSpec `json:"spec"`
	// +optional
	Status VlanStatus `json:"status,omitempty,omitzero"`
}

// VlanSpec says which VLAN of which provider network.
//
// +kubebuilder:validation:XValidation:rule=`!has(self.vlanId) || self.vlanId == 0 || !has(self.id) || self.id == 0 || self.id == self.vlanId`,message="vlanId is the old name of id: they must be equal, or one of them absent"
// +kubebuilder:validation:XValidation:rule=`(!has(self.id) || self.id != 4095) && (!has(self.vlanId) || self.vlanId != 4095)`,message="4095 is not the id of a VLAN: IEEE 802.1Q reserves it"
type VlanSpec struct {
	// ID is the VLAN's number; 0 is traffic without a tag.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=4095
	ID int `json:"id,omitempty"`

	// Provider is the name of the ProviderNetwork; the configured default counts
	// where it is empty.
	// +kubebuilder:validation:MaxLength=253
	Provider string `json:"provider"`

	// ProviderInterfaceName is kept for older tools and not used.
	// +optional
	ProviderInterfaceName string `json:"providerInterfaceName,omitempty"`

	// VlanID is an older name of id.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=4095
	VlanID int `json:"vlanId,omitempty"`
}

// VlanStatus is what became of a VLAN.
type VlanStatus struct {
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []Condition `json:"conditions,omitempty"`

	// Conflict tells whether another Vlan has the same id on the same provider
	// network.
	// +optional
	Conflict bool `json:"conflict"`

	// Subnets are the names of the subnets in this VLAN.
	// +optional
	Subnets []string `json:"subnets,omitempty"`
}

// VlanList is a list of Vlans.
//
// +kubebuilder:object:root=true
type VlanList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Vlan `json:"items"`
}
