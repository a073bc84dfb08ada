package v1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// NodePhase is how far a node has come with a provider network.
//
// +kubebuilder:validation:Enum="";Pending;Planned;Waiting;Running;Ready;RolledBack;Failed;Released
type NodePhase string

// The phases. Empty is Pending.
//
//	Pending ─► Planned ─► Waiting ─► Running ─► Ready
//	                                    └─► RolledBack, Failed
//	any of them, once the object is being deleted ─► Released
const (
	// PhasePending: the agent has not looked yet, or a thing that it needs is
	// not there (reason).
	PhasePending NodePhase = "Pending"
	// PhasePlanned: the plan stands in status.plan and nothing was done. It is
	// where a dry run ends.
	PhasePlanned NodePhase = "Planned"
	// PhaseWaiting: the plan is to be carried out and waits for spec.approvedPlan.
	PhaseWaiting NodePhase = "Waiting"
	// PhaseRunning: the plan is being carried out; status.step says where.
	PhaseRunning NodePhase = "Running"
	// PhaseReady: the NICs have joined as the plan says.
	PhaseReady NodePhase = "Ready"
	// PhaseRolledBack: a step failed, and the node is as it was before.
	PhaseRolledBack NodePhase = "RolledBack"
	// PhaseFailed: it cannot be done, or not be undone.
	PhaseFailed NodePhase = "Failed"
	// PhaseReleased: nothing of ours is left on the NICs.
	PhaseReleased NodePhase = "Released"
)

// UplinkState is what an uplink does among those of its node.
//
// +kubebuilder:validation:Enum="";Active;Standby;Down
type UplinkState string

// The states.
const (
	// UplinkActive: it carries frames of pods.
	UplinkActive UplinkState = "Active"
	// UplinkStandby: all is done for it, but it is kept out of the bridge.
	UplinkStandby UplinkState = "Standby"
	// UplinkDown: it has no carrier, or has not joined.
	UplinkDown UplinkState = "Down"
)

// The conditions of a ProviderNetworkNode beside Ready.
const (
	// ConditionLoopDetected: two uplinks of the node meet in one network.
	ConditionLoopDetected = "LoopDetected"
	// ConditionForeignMACsBlocked: the physical network drops frames of pods.
	ConditionForeignMACsBlocked = "ForeignMACsBlocked"
)

// The reasons why a node is not ready, in status.reason and conditions.
const (
	ReasonInterfaceNotFound = "InterfaceNotFound"
	ReasonInterfaceInUse    = "InterfaceInUse"
	ReasonInterfaceExcluded = "InterfaceExcluded"
	ReasonReservedName      = "ReservedName"
	ReasonDynamicAddress    = "DynamicAddress"
	ReasonKernelUnsupported = "KernelUnsupported"
	ReasonOVSUnavailable    = "OVSUnavailable"
	ReasonWaitingForTurn    = "WaitingForTurn"
	ReasonConnectivityLost  = "ConnectivityLost"
	ReasonRolledBack        = "RolledBack"
)

// ProviderNetworkNode is the part of one node in a provider network: what the
// node shall do, and what it says of itself. The controller makes it, named
// <provider network>.<node>; the node's agent alone writes its status.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=provider-network-nodes,singular=provider-network-node,shortName=pnn,scope=Cluster
// +kubebuilder:metadata:annotations="helm.sh/resource-policy=keep"
// +kubebuilder:printcolumn:name="Provider",type=string,JSONPath=`.spec.providerNetwork`
// +kubebuilder:printcolumn:name="Node",type=string,JSONPath=`.spec.node`
// +kubebuilder:printcolumn:name="Interfaces",type=string,JSONPath=`.spec.interfaces`
// +kubebuilder:printcolumn:name="Attachment",type=string,JSONPath=`.status.attachment`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.reason`
// +kubebuilder:printcolumn:name="Loop",type=string,JSONPath=`.status.conditions[?(@.type=="LoopDetected")].status`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.message`
type ProviderNetworkNode struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec ProviderNetworkNodeSpec `json:"spec"`
	// +optional
	Status ProviderNetworkNodeStatus `json:"status,omitempty,omitzero"`
}

// ProviderNetworkNodeSpec is what the node shall do: all that its agent needs
// to know of the ProviderNetwork, so that agents do not watch that.
type ProviderNetworkNodeSpec struct {
	// ProviderNetwork is the name of the ProviderNetwork.
	// +kubebuilder:validation:MaxLength=253
	ProviderNetwork string `json:"providerNetwork"`

	// Node is the name of the node.
	// +kubebuilder:validation:MaxLength=253
	Node string `json:"node"`

	// Interfaces are the NICs that join.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=15
	Interfaces []string `json:"interfaces"`

	// Attachment is how they join.
	// +optional
	Attachment Attachment `json:"attachment,omitempty"`

	// Mode is what they are to each other.
	// +optional
	Mode UplinkMode `json:"mode,omitempty"`

	// LoopProtection keeps them from closing a loop.
	// +optional
	LoopProtection LoopProtection `json:"loopProtection,omitempty"`

	// ExchangeLinkName gives the bridge the NIC's name.
	// +optional
	ExchangeLinkName bool `json:"exchangeLinkName,omitempty"`

	// VlanInterfaces are sub-interfaces that the host keeps.
	// +optional
	// +kubebuilder:validation:MaxItems=100
	VlanInterfaces []string `json:"vlanInterfaces,omitempty"`

	// PreserveVlanInterfaces finds those by itself.
	// +optional
	PreserveVlanInterfaces bool `json:"preserveVlanInterfaces,omitempty"`

	// AutoCreateVlanSubinterfaces makes a NIC that is named like a VLAN
	// sub-interface.
	// +optional
	AutoCreateVlanSubinterfaces bool `json:"autoCreateVlanSubinterfaces,omitempty"`

	// TrustPods lets router advertisements and the like of pods reach the host.
	// +optional
	TrustPods bool `json:"trustPods,omitempty"`

	// DryRun has the agent plan and do nothing.
	// +optional
	DryRun bool `json:"dryRun,omitempty"`

	// ApprovedPlan is the hash of the plan that the agent may carry out.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	ApprovedPlan string `json:"approvedPlan,omitempty"`
}

// ProviderNetworkNodeStatus is what the node's agent says.
type ProviderNetworkNodeStatus struct {
	// ObservedGeneration is the metadata.generation that the rest is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Phase is how far the node has come.
	// +optional
	Phase NodePhase `json:"phase,omitempty"`

	// Attachment is how the NICs join, or shall join: never Auto. Of several that
	// join in different ways it is Shared; each has its own in interfaces.
	// +optional
	Attachment Attachment `json:"attachment,omitempty"`

	// Plan is what the agent does, or would do, one step a line.
	// +optional
	// +kubebuilder:validation:MaxLength=65536
	Plan string `json:"plan,omitempty"`

	// PlanHash names the plan; spec.approvedPlan repeats it.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	PlanHash string `json:"planHash,omitempty"`

	// Step is the step at which the agent is, or stopped.
	// +optional
	Step string `json:"step,omitempty"`

	// Reason is one word that says why the phase is what it is.
	// +optional
	Reason string `json:"reason,omitempty"`

	// Message says the same in a sentence for a person.
	// +optional
	Message string `json:"message,omitempty"`

	// Interfaces are the NICs as the agent sees them.
	// +optional
	// +listType=map
	// +listMapKey=name
	Interfaces []UplinkStatus `json:"interfaces,omitempty"`

	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []Condition `json:"conditions,omitempty"`
}

// UplinkStatus is a NIC as the agent sees it.
type UplinkStatus struct {
	// Name is the NIC's.
	Name string `json:"name"`
	// MAC is the NIC's.
	// +optional
	MAC string `json:"mac,omitempty"`
	// MTU is the NIC's, in bytes.
	// +optional
	MTU int32 `json:"mtu,omitempty"`
	// Carrier tells whether the NIC has a link.
	// +optional
	Carrier bool `json:"carrier"`
	// Attachment is how the NIC has joined; empty is not at all.
	// +optional
	Attachment Attachment `json:"attachment,omitempty"`
	// State is what the NIC does among those of its node.
	// +optional
	State UplinkState `json:"state,omitempty"`
}

// ProviderNetworkNodeList is a list of ProviderNetworkNodes.
//
// +kubebuilder:object:root=true
type ProviderNetworkNodeList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ProviderNetworkNode `json:"items"`
}
