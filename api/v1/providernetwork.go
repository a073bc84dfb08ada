package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Attachment is how a NIC joins a provider network.
//
// +kubebuilder:validation:Enum="";Auto;Port;Shared;Takeover
type Attachment string

// The ways to attach.
const (
	// AttachmentAuto, also when empty, lets each node choose: Port where nothing
	// on the host uses the NIC, Takeover where a field asks for what only that
	// gives, else Shared.
	AttachmentAuto Attachment = "Auto"
	// AttachmentPort makes the NIC a port of the bridge. It must have no
	// addresses and nothing on top.
	AttachmentPort Attachment = "Port"
	// AttachmentShared leaves the NIC as it is to the host and taps it.
	AttachmentShared Attachment = "Shared"
	// AttachmentTakeover moves the NIC's addresses and routes to the bridge.
	AttachmentTakeover Attachment = "Takeover"
)

// UplinkMode is what several uplinks of one node are to each other.
//
// +kubebuilder:validation:Enum="";Bridge;ActiveBackup;BalanceSLB;LACP
type UplinkMode string

// The modes. All but the first are bonds made by Open vSwitch.
const (
	// UplinkBridge, also when empty, is uplinks to separate networks: each
	// destination is learned at the uplink that it answers on.
	UplinkBridge       UplinkMode = "Bridge"
	UplinkActiveBackup UplinkMode = "ActiveBackup"
	UplinkBalanceSLB   UplinkMode = "BalanceSLB"
	UplinkLACP         UplinkMode = "LACP"
)

// Bonds tells whether a mode makes several uplinks one port.
func (m UplinkMode) Bonds() bool { return m != "" && m != UplinkBridge }

// LoopProtection is what keeps several uplinks of one node from closing a loop.
//
// +kubebuilder:validation:Enum="";Isolate;RSTP;Refuse
type LoopProtection string

// The ways to protect.
const (
	// LoopIsolate, also when empty, never forwards between uplinks, and holds
	// back one that meets another in the same network.
	LoopIsolate LoopProtection = "Isolate"
	// LoopRSTP speaks the spanning tree protocol; the physical switch must not
	// guard its ports against that.
	LoopRSTP LoopProtection = "RSTP"
	// LoopRefuse has one uplink take part at a time: the first with carrier.
	LoopRefuse LoopProtection = "Refuse"
)

// ProviderNetwork is a physical network that pods may join, and the NICs by
// which each node reaches it.
//
// Its name is part of the bridge's, br-<name>, which has to fit a link's name of
// 15 bytes. A dot would make two of <name>.<node> alike.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=provider-networks,singular=provider-network,shortName=pn,scope=Cluster
// +kubebuilder:metadata:annotations="helm.sh/resource-policy=keep"
// +kubebuilder:printcolumn:name="DefaultInterface",type=string,JSONPath=`.spec.defaultInterface`
// +kubebuilder:printcolumn:name="Ready",type=boolean,JSONPath=`.status.ready`
// +kubebuilder:validation:XValidation:rule=`self.metadata.name.size() <= 12`,message="the name must not be longer than 12 characters: its bridge is br-<name>, and a link's name has 15"
// +kubebuilder:validation:XValidation:rule=`!(self.metadata.name in ["int", "phy", "encap", "external"])`,message="the name must not be int, phy, encap or external: br-<name> is another bridge"
// +kubebuilder:validation:XValidation:rule=`!self.metadata.name.contains(".")`,message="the name must not contain a dot"
type ProviderNetwork struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec ProviderNetworkSpec `json:"spec"`
	// +optional
	Status ProviderNetworkStatus `json:"status,omitempty,omitzero"`
}

// ProviderNetworkSpec is what a user asks of a provider network.
//
// +kubebuilder:validation:XValidation:rule=`(has(self.defaultInterface) && self.defaultInterface.size() > 0) != (has(self.defaultInterfaces) && self.defaultInterfaces.size() > 0)`,message="exactly one of defaultInterface and defaultInterfaces must be given"
// +kubebuilder:validation:XValidation:rule=`!has(self.attachment) || self.attachment != "Shared" || !has(self.mode) || !(self.mode in ["BalanceSLB", "LACP"])`,message="mode BalanceSLB or LACP needs the NICs themselves as ports: it does not go with attachment Shared"
// +kubebuilder:validation:XValidation:rule=`!has(self.exchangeLinkName) || !self.exchangeLinkName || !has(self.attachment) || !(self.attachment in ["Shared", "Port"])`,message="exchangeLinkName is for attachment Takeover: Shared and Port leave the NIC its name"
type ProviderNetworkSpec struct {
	// DefaultInterface is the NIC of each node that customInterfaces does not
	// list; several may be given, separated by commas.
	// +optional
	// +kubebuilder:validation:MaxLength=135
	// +kubebuilder:validation:Pattern=`^[^/\s]*$`
	// +kubebuilder:validation:XValidation:rule=`self == "" || (self.split(",").size() <= 8 && self.split(",").all(n, n.size() > 0 && n.size() <= 15))`,message="defaultInterface must be a NIC's name of at most 15 characters, or up to 8 of them separated by commas"
	// +kubebuilder:validation:XValidation:rule=`self.split(",").all(n, !(n in [".", "..", "lo", "ovn0", "br-int"]))`,message="defaultInterface must name a NIC: not the loopback, nor a device of the fabric"
	DefaultInterface string `json:"defaultInterface,omitempty"`

	// DefaultInterfaces are the NICs of each node that customInterfaces does not
	// list; it stands instead of defaultInterface.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=15
	// +kubebuilder:validation:items:Pattern=`^[^/\s,]+$`
	// +kubebuilder:validation:items:XValidation:rule=`!(self in [".", "..", "lo", "ovn0", "br-int"])`,message="must name a NIC: not the loopback, nor a device of the fabric"
	DefaultInterfaces []string `json:"defaultInterfaces,omitempty"`

	// CustomInterfaces says which nodes have other NICs; the first entry that
	// lists a node counts.
	// +optional
	// +kubebuilder:validation:MaxItems=1000
	CustomInterfaces []CustomInterface `json:"customInterfaces,omitempty"`

	// ExcludeNodes are the nodes that stay out. It has no effect beside
	// nodeSelector.
	// +optional
	// +kubebuilder:validation:MaxItems=5000
	// +kubebuilder:validation:items:MaxLength=253
	ExcludeNodes []string `json:"excludeNodes,omitempty"`

	// NodeSelector chooses the nodes that take part; all do where it is absent.
	// +optional
	NodeSelector *metav1.LabelSelector `json:"nodeSelector,omitempty"`

	// ExchangeLinkName gives the bridge the NIC's name and the NIC br-<name>.
	// +optional
	ExchangeLinkName bool `json:"exchangeLinkName,omitempty"`

	// VlanInterfaces are VLAN sub-interfaces of the NIC, such as eth1.100, that
	// the host keeps when the NIC is taken over.
	// +optional
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=15
	// +kubebuilder:validation:items:Pattern=`^[^/\s]+\.[0-9]{1,4}$`
	VlanInterfaces []string `json:"vlanInterfaces,omitempty"`

	// PreserveVlanInterfaces finds the sub-interfaces of vlanInterfaces by
	// itself.
	// +optional
	PreserveVlanInterfaces bool `json:"preserveVlanInterfaces,omitempty"`

	// AutoCreateVlanSubinterfaces makes the NIC where it is named like a VLAN
	// sub-interface, <nic>.<id>, and does not exist.
	// +optional
	AutoCreateVlanSubinterfaces bool `json:"autoCreateVlanSubinterfaces,omitempty"`

	// Attachment is how the NICs join: Auto (the default), Port, Shared or
	// Takeover.
	// +optional
	Attachment Attachment `json:"attachment,omitempty"`

	// Mode is what several NICs of one node are to each other: Bridge (the
	// default), ActiveBackup, BalanceSLB or LACP.
	// +optional
	Mode UplinkMode `json:"mode,omitempty"`

	// LoopProtection keeps several NICs from closing a loop: Isolate (the
	// default), RSTP or Refuse.
	// +optional
	LoopProtection LoopProtection `json:"loopProtection,omitempty"`

	// Rollout says how a change reaches the nodes.
	// +optional
	Rollout Rollout `json:"rollout,omitempty,omitzero"`

	// DryRun has every node say what it would do, and do nothing.
	// +optional
	DryRun bool `json:"dryRun,omitempty"`

	// TrustPods lets router advertisements, redirects and the answers of DHCP
	// servers of pods reach the hosts.
	// +optional
	TrustPods bool `json:"trustPods,omitempty"`
}

// CustomInterface is the NICs of some nodes.
//
// +kubebuilder:validation:XValidation:rule=`(has(self.interface) && self.interface.size() > 0) != (has(self.interfaces) && self.interfaces.size() > 0)`,message="exactly one of interface and interfaces must be given"
type CustomInterface struct {
	// Interface is the NIC.
	// +optional
	// +kubebuilder:validation:MaxLength=15
	// +kubebuilder:validation:Pattern=`^[^/\s,]*$`
	// +kubebuilder:validation:XValidation:rule=`!(self in [".", "..", "lo", "ovn0", "br-int"])`,message="interface must name a NIC: not the loopback, nor a device of the fabric"
	Interface string `json:"interface,omitempty"`

	// Interfaces are the NICs, where they are several.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=15
	// +kubebuilder:validation:items:Pattern=`^[^/\s,]+$`
	// +kubebuilder:validation:items:XValidation:rule=`!(self in [".", "..", "lo", "ovn0", "br-int"])`,message="must name a NIC: not the loopback, nor a device of the fabric"
	Interfaces []string `json:"interfaces,omitempty"`

	// Nodes are the names of the nodes.
	// +optional
	// +kubebuilder:validation:MaxItems=5000
	// +kubebuilder:validation:items:MaxLength=253
	Nodes []string `json:"nodes,omitempty"`
}

// Rollout says how a change reaches the nodes.
type Rollout struct {
	// MaxUnavailable is how many nodes, or how many percent of them, may change
	// at once. Where it is absent that is one if addresses of the host are
	// involved, else all.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule=`type(self) == int ? int(self) > 0 : string(self).matches("^([1-9][0-9]?|100)%$")`,message="maxUnavailable must be a number above 0, or a percentage from 1% to 100%"
	MaxUnavailable *intstr.IntOrString `json:"maxUnavailable,omitempty"`

	// Paused keeps nodes from starting to change.
	// +optional
	Paused bool `json:"paused,omitempty"`
}

// ProviderNetworkStatus is what became of a provider network. What each node
// says stands in its ProviderNetworkNode.
type ProviderNetworkStatus struct {
	// Conditions are about the network as a whole, or, with node set, about one
	// node.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +listMapKey=node
	Conditions []ProviderNetworkCondition `json:"conditions,omitempty"`

	// Ready tells whether every node that takes part is ready.
	// +optional
	Ready bool `json:"ready"`

	// ReadyNodes are the nodes whose NICs have joined.
	// +optional
	ReadyNodes []string `json:"readyNodes,omitempty"`

	// NotReadyNodes are the others that take part.
	// +optional
	NotReadyNodes []string `json:"notReadyNodes,omitempty"`

	// Vlans are the names of the Vlans of this network.
	// +optional
	Vlans []string `json:"vlans,omitempty"`

	// Nodes counts the nodes that take part.
	// +optional
	Nodes ProviderNetworkNodeCounts `json:"nodes,omitempty,omitzero"`

	// Failures are those of the first ten nodes that failed, by name.
	// +optional
	// +kubebuilder:validation:MaxItems=10
	Failures []ProviderNetworkFailure `json:"failures,omitempty"`
}

// ProviderNetworkCondition is an observation about the network, or about one of
// its nodes.
type ProviderNetworkCondition struct {
	Condition `json:",inline"`

	// Node is the node that the condition is about; empty is all of them.
	// +optional
	// +kubebuilder:default=""
	Node string `json:"node"`
}

// ProviderNetworkNodeCounts counts the nodes that take part.
type ProviderNetworkNodeCounts struct {
	// Total is all of them.
	// +optional
	Total int32 `json:"total"`
	// Ready is those whose NICs have joined.
	// +optional
	Ready int32 `json:"ready"`
	// Waiting is those that have not begun: for their turn, or for something on
	// the node.
	// +optional
	Waiting int32 `json:"waiting"`
	// Failed is those that could not, or that went back to how they were.
	// +optional
	Failed int32 `json:"failed"`
}

// ProviderNetworkFailure is why one node is not ready.
type ProviderNetworkFailure struct {
	// Node is the node's name.
	Node string `json:"node"`
	// Reason is that of the ProviderNetworkNode.
	// +optional
	Reason string `json:"reason,omitempty"`
	// Message is that of the ProviderNetworkNode.
	// +optional
	Message string `json:"message,omitempty"`
}

// ProviderNetworkList is a list of ProviderNetworks.
//
// +kubebuilder:object:root=true
type ProviderNetworkList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ProviderNetwork `json:"items"`
}
