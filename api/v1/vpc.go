package v1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Vpc is a network of its own: a logical router that its subnets attach to.
// Addresses of different VPCs may overlap.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=vpcs,singular=vpc,shortName=vpc,scope=Cluster
// +kubebuilder:metadata:annotations="helm.sh/resource-policy=keep"
// +kubebuilder:printcolumn:name="EnableExternal",type=boolean,JSONPath=`.status.enableExternal`
// +kubebuilder:printcolumn:name="EnableBfd",type=boolean,JSONPath=`.status.enableBfd`
// +kubebuilder:printcolumn:name="Standby",type=boolean,JSONPath=`.status.standby`
// +kubebuilder:printcolumn:name="Subnets",type=string,JSONPath=`.status.subnets`
// +kubebuilder:printcolumn:name="ExtraExternalSubnets",type=string,JSONPath=`.status.extraExternalSubnets`
// +kubebuilder:printcolumn:name="Namespaces",type=string,JSONPath=`.spec.namespaces`
// +kubebuilder:printcolumn:name="DefaultSubnet",type=string,JSONPath=`.status.defaultLogicalSwitch`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Vpc struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Spec VpcSpec `json:"spec,omitempty,omitzero"`
	// +optional
	Status VpcStatus `json:"status,omitempty,omitzero"`
}

// VpcSpec is what a user asks of a VPC.
type VpcSpec struct {
	// Namespaces use this VPC, and its default subnet, unless a pod says
	// otherwise.
	// +optional
	// +kubebuilder:validation:MaxItems=1000
	// +kubebuilder:validation:items:MaxLength=63
	Namespaces []string `json:"namespaces,omitempty"`

	// DefaultSubnet is the subnet that pods of these namespaces come from.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	DefaultSubnet string `json:"defaultSubnet,omitempty"`

	// StaticRoutes are routes of the VPC's router.
	// +optional
	// +kubebuilder:validation:MaxItems=1000
	StaticRoutes []StaticRoute `json:"staticRoutes,omitempty"`

	// PolicyRoutes are routing policies of the VPC's router; the highest
	// priority that matches decides.
	// +optional
	// +kubebuilder:validation:MaxItems=1000
	PolicyRoutes []PolicyRoute `json:"policyRoutes,omitempty"`

	// VpcPeerings join this VPC to others, router to router.
	// +optional
	// +kubebuilder:validation:MaxItems=100
	VpcPeerings []VpcPeering `json:"vpcPeerings,omitempty"`

	// EnableExternal attaches the router to the default external subnet, which
	// OVN EIPs and NAT rules need.
	// +optional
	EnableExternal bool `json:"enableExternal,omitempty"`

	// ExtraExternalSubnets are further external subnets to attach to.
	// +optional
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=253
	ExtraExternalSubnets []string `json:"extraExternalSubnets,omitempty"`

	// EnableBfd spreads the default route over the external gateways of nodes
	// and watches each by BFD.
	// +optional
	EnableBfd bool `json:"enableBfd,omitempty"`

	// BFDPort is a router port for BFD sessions only.
	// +optional
	BFDPort *BFDPort `json:"bfdPort,omitempty"`
}

// StaticRoute is a route by destination or by source.
type StaticRoute struct {
	// Policy is policyDst, also when empty, or policySrc: what cidr is matched
	// against.
	// +optional
	// +kubebuilder:validation:Enum="";policyDst;policySrc
	Policy string `json:"policy,omitempty"`

	// CIDR is the prefix or the single address that the route is for.
	// +optional
	// +kubebuilder:validation:MaxLength=50
	// +kubebuilder:validation:XValidation:rule=`isCIDR(self) || isIP(self)`,message="must be a CIDR or an IP address"
	CIDR string `json:"cidr,omitempty"`

	// NextHopIP is the address of the next router.
	// +optional
	// +kubebuilder:validation:MaxLength=50
	// +kubebuilder:validation:XValidation:rule=`self == "" || isIP(self)`,message="must be an IP address"
	NextHopIP string `json:"nextHopIP,omitempty"`

	// ECMPMode makes several routes of one prefix share the traffic.
	// +optional
	ECMPMode string `json:"ecmpMode,omitempty"`

	// BfdID is the UUID of the BFD session that the route depends on.
	// +optional
	BfdID string `json:"bfdId,omitempty"`

	// RouteTable is the table of the router that the route stands in; empty is
	// the main table.
	// +optional
	RouteTable string `json:"routeTable,omitempty"`
}

// PolicyRoute is a routing policy.
//
// +kubebuilder:validation:XValidation:rule=`!has(self.action) || self.action != "reroute" || (has(self.nextHopIP) && self.nextHopIP.size() > 0)`,message="action reroute needs nextHopIP"
type PolicyRoute struct {
	// Priority decides between policies that match the same packet; the highest
	// wins.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=32767
	Priority int `json:"priority,omitempty"`

	// Match is an expression in the language of ovn-sb(5), Logical_Flow.
	// +optional
	Match string `json:"match,omitempty"`

	// Action is what happens to a packet that matches.
	// +optional
	// +kubebuilder:validation:Enum=allow;drop;reroute
	Action string `json:"action,omitempty"`

	// NextHopIP is where action reroute sends packets; several addresses,
	// separated by commas, share the traffic.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^([0-9a-fA-F:.]+(,[0-9a-fA-F:.]+)*)?$`
	NextHopIP string `json:"nextHopIP,omitempty"`
}

// VpcPeering is this VPC's end of a link to another VPC's router.
type VpcPeering struct {
	// RemoteVpc is the VPC at the other end.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	RemoteVpc string `json:"remoteVpc,omitempty"`

	// LocalConnectIP is the address of this end with the length of the link's
	// prefix, such as 169.254.0.1/30; with an IPv6 one after a comma in dual
	// stack.
	// +optional
	// +kubebuilder:validation:MaxLength=90
	// +kubebuilder:validation:XValidation:rule=`self == "" || (self.split(",").size() <= 2 && self.split(",").all(c, isCIDR(c)))`,message="must be an address with a prefix length, such as 169.254.0.1/30"
	LocalConnectIP string `json:"localConnectIP,omitempty"`
}

// BFDPort is a router port for BFD sessions with egress and NAT gateways.
type BFDPort struct {
	// Enabled makes the port exist.
	// +optional
	// +kubebuilder:default=false
	Enabled bool `json:"enabled"`

	// IP is the port's address; an IPv4 and an IPv6 one, separated by a comma,
	// in dual stack.
	// +optional
	// +kubebuilder:validation:MaxLength=90
	// +kubebuilder:validation:XValidation:rule=`self == "" || (self.split(",").size() <= 2 && self.split(",").all(a, isIP(a)))`,message="must be an IP address, or an IPv4 and an IPv6 address separated by a comma"
	IP string `json:"ip,omitempty"`

	// NodeSelector chooses the nodes that may host the port.
	// +optional
	NodeSelector *metav1.LabelSelector `json:"nodeSelector,omitempty"`
}

// VpcStatus is what became of a VPC.
type VpcStatus struct {
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []Condition `json:"conditions,omitempty"`

	// Standby is true once the router exists.
	// +optional
	Standby bool `json:"standby"`

	// Default is true for the VPC that subnets join unless they name another.
	// +optional
	Default bool `json:"default"`

	// DefaultLogicalSwitch is the subnet that pods of the VPC's namespaces come
	// from.
	// +optional
	DefaultLogicalSwitch string `json:"defaultLogicalSwitch,omitempty"`

	// Router is the name of the logical router.
	// +optional
	Router string `json:"router,omitempty"`

	// Subnets are the subnets attached to the router, by name.
	// +optional
	Subnets []string `json:"subnets,omitempty"`

	// VpcPeerings are the VPCs that this one is joined to.
	// +optional
	VpcPeerings []string `json:"vpcPeerings,omitempty"`

	// EnableExternal is true once the router is attached to the default external
	// subnet.
	// +optional
	EnableExternal bool `json:"enableExternal"`

	// ExtraExternalSubnets are the further external subnets it is attached to.
	// +optional
	ExtraExternalSubnets []string `json:"extraExternalSubnets,omitempty"`

	// EnableBfd is true once BFD watches the default route.
	// +optional
	EnableBfd bool `json:"enableBfd"`

	// BFDPort is the router port for BFD as it is.
	// +optional
	BFDPort BFDPortStatus `json:"bfdPort,omitempty,omitzero"`

	// The names of the router's load balancers.

	// +optional
	TCPLoadBalancer string `json:"tcpLoadBalancer,omitempty"`
	// +optional
	TCPSessionLoadBalancer string `json:"tcpSessionLoadBalancer,omitempty"`
	// +optional
	UDPLoadBalancer string `json:"udpLoadBalancer,omitempty"`
	// +optional
	UDPSessionLoadBalancer string `json:"udpSessionLoadBalancer,omitempty"`
	// +optional
	SCTPLoadBalancer string `json:"sctpLoadBalancer,omitempty"`
	// +optional
	SCTPSessionLoadBalancer string `json:"sctpSessionLoadBalancer,omitempty"`
}

// BFDPortStatus is the router port for BFD as it is.
type BFDPortStatus struct {
	// +optional
	Name string `json:"name,omitempty"`
	// +optional
	IP string `json:"ip,omitempty"`
	// +optional
	Nodes []string `json:"nodes,omitempty"`
}

// VpcList is a list of Vpcs.
//
// +kubebuilder:object:root=true
type VpcList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Vpc `json:"items"`
}
