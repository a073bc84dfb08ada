package v1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// The values of Subnet.spec.protocol. The controller derives it from the CIDR.
const (
	ProtocolIPv4 = "IPv4"
	ProtocolIPv6 = "IPv6"
	ProtocolDual = "Dual"
	// ProtocolMac is a subnet whose pods have a MAC but no address of ours.
	ProtocolMac = "Mac"
)

// The values of Subnet.spec.gatewayType.
const (
	// GatewayDistributed lets every node send out the traffic of its own pods.
	GatewayDistributed = "distributed"
	// GatewayCentralized sends it out through chosen nodes.
	GatewayCentralized = "centralized"
)

// ProviderOVN is the provider of a subnet that is a pod's primary network;
// empty means the same.
const ProviderOVN = "ovn"

// Subnet is a logical switch with a range of addresses, and the namespaces that
// get their addresses from it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=subnets,singular=subnet,shortName=subnet,scope=Cluster
// +kubebuilder:metadata:annotations="helm.sh/resource-policy=keep"
// +kubebuilder:printcolumn:name="Provider",type=string,JSONPath=`.spec.provider`
// +kubebuilder:printcolumn:name="Vpc",type=string,JSONPath=`.spec.vpc`
// +kubebuilder:printcolumn:name="Vlan",type=string,JSONPath=`.spec.vlan`
// +kubebuilder:printcolumn:name="Protocol",type=string,JSONPath=`.spec.protocol`
// +kubebuilder:printcolumn:name="CIDR",type=string,JSONPath=`.spec.cidrBlock`
// +kubebuilder:printcolumn:name="Private",type=boolean,JSONPath=`.spec.private`
// +kubebuilder:printcolumn:name="NAT",type=boolean,JSONPath=`.spec.natOutgoing`
// +kubebuilder:printcolumn:name="Default",type=boolean,JSONPath=`.spec.default`
// +kubebuilder:printcolumn:name="GatewayType",type=string,JSONPath=`.spec.gatewayType`
// +kubebuilder:printcolumn:name="V4Used",type=number,JSONPath=`.status.v4usingIPs`
// +kubebuilder:printcolumn:name="V4Available",type=number,JSONPath=`.status.v4availableIPs`
// +kubebuilder:printcolumn:name="V6Used",type=number,JSONPath=`.status.v6usingIPs`
// +kubebuilder:printcolumn:name="V6Available",type=number,JSONPath=`.status.v6availableIPs`
// +kubebuilder:printcolumn:name="ExcludeIPs",type=string,JSONPath=`.spec.excludeIps`
// +kubebuilder:printcolumn:name="U2OInterconnectionIP",type=string,JSONPath=`.status.u2oInterconnectionIP`
// +kubebuilder:validation:XValidation:rule=`!has(self.spec.vpc) || self.spec.vpc != self.metadata.name`,message="a Subnet must not have the name of its vpc: switch and router would be named alike"
type Subnet struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec SubnetSpec `json:"spec"`
	// +optional
	Status SubnetStatus `json:"status,omitempty,omitzero"`
}

// SubnetSpec is what a user asks of a subnet.
//
// Rules across fields pass over a value that is no address at all: the rule of
// its own field reports that.
//
// +kubebuilder:validation:XValidation:rule=`(has(self.cidrBlock) && self.cidrBlock.size() > 0) || (has(self.vlan) && self.vlan.size() > 0)`,message="cidrBlock is required: only a subnet with a vlan can go without addresses"
// +kubebuilder:validation:XValidation:rule=`(has(self.cidrBlock) && self.cidrBlock.size() > 0) || ((!has(self.gateway) || self.gateway.size() == 0) && (!has(self.excludeIps) || self.excludeIps.size() == 0) && (!has(self.vips) || self.vips.size() == 0) && (!has(self.u2oInterconnectionIP) || self.u2oInterconnectionIP.size() == 0))`,message="a subnet without cidrBlock has no addresses: gateway, excludeIps, vips and u2oInterconnectionIP must be empty"
// +kubebuilder:validation:XValidation:rule=`!has(self.cidrBlock) || !has(self.gateway) || self.gateway.split(",").all(g, !isIP(g) || self.cidrBlock.split(",").exists(c, isCIDR(c) && cidr(c).containsIP(ip(g))))`,message="gateway must lie in cidrBlock"
// +kubebuilder:validation:XValidation:rule=`!has(self.cidrBlock) || !has(self.gateway) || self.gateway.split(",").all(g, !isIP(g) || !self.cidrBlock.split(",").exists(c, isCIDR(c) && !(cidr(c).prefixLength() in [31, 127]) && cidr(c).masked().ip() == ip(g)))`,message="gateway must not be the network address of cidrBlock"
// +kubebuilder:validation:XValidation:rule=`!has(self.mtu) || self.mtu == 0 || self.mtu >= 1280 || !has(self.cidrBlock) || !self.cidrBlock.contains(":")`,message="mtu must be at least 1280 in a subnet with IPv6 (RFC 8200)"
// +kubebuilder:validation:XValidation:rule=`!has(self.externalEgressGateway) || self.externalEgressGateway.size() == 0 || !has(self.natOutgoing) || !self.natOutgoing`,message="externalEgressGateway and natOutgoing exclude each other"
// +kubebuilder:validation:XValidation:rule=`!has(self.cidrBlock) || !has(self.externalEgressGateway) || self.externalEgressGateway.split(",").all(g, !isIP(g) || self.cidrBlock.split(",").exists(c, c.contains(":") == g.contains(":")))`,message="externalEgressGateway must be of an address family of cidrBlock"
// +kubebuilder:validation:XValidation:rule=`!has(self.logicalGateway) || !self.logicalGateway || !has(self.u2oInterconnection) || !self.u2oInterconnection`,message="logicalGateway and u2oInterconnection exclude each other"
// +kubebuilder:validation:XValidation:rule=`!has(self.u2oFeatures) || !has(self.u2oFeatures.overlayOnlyRouting) || !self.u2oFeatures.overlayOnlyRouting || (has(self.u2oInterconnection) && self.u2oInterconnection && has(self.vlan) && self.vlan.size() > 0)`,message="u2oFeatures.overlayOnlyRouting needs u2oInterconnection and a vlan"
// +kubebuilder:validation:XValidation:rule=`!has(self.cidrBlock) || !has(self.u2oInterconnectionIP) || self.u2oInterconnectionIP.split(",").all(a, !isIP(a) || self.cidrBlock.split(",").exists(c, isCIDR(c) && cidr(c).containsIP(ip(a))))`,message="u2oInterconnectionIP must lie in cidrBlock"
// +kubebuilder:validation:XValidation:rule=`!has(self.gateway) || !has(self.u2oInterconnectionIP) || self.u2oInterconnectionIP.split(",").all(a, !isIP(a) || !self.gateway.split(",").exists(g, isIP(g) && ip(g) == ip(a)))`,message="u2oInterconnectionIP must differ from gateway"
// +kubebuilder:validation:XValidation:rule=`!has(self.cidrBlock) || !has(self.vips) || self.vips.all(v, !isIP(v) || self.cidrBlock.split(",").exists(c, isCIDR(c) && cidr(c).containsIP(ip(v))))`,message="vips must lie in cidrBlock"
type SubnetSpec struct {
	// CIDRBlock is the subnet's prefix: an IPv4 one, an IPv6 one, or both
	// separated by a comma. Host bits are cleared by the controller. It may be
	// empty only in a subnet with a vlan, whose pods get a MAC and no address.
	// +optional
	// +kubebuilder:validation:MaxLength=90
	// +kubebuilder:validation:XValidation:rule=`self == "" || self.split(",").all(c, isCIDR(c))`,message="cidrBlock must be a CIDR such as 10.16.0.0/16, or an IPv4 and an IPv6 CIDR separated by a comma"
	// +kubebuilder:validation:XValidation:rule=`self.split(",").size() == 1 || (self.split(",").size() == 2 && self.split(",").exists_one(c, c.contains(":")))`,message="cidrBlock may hold at most one CIDR of each address family"
	// +kubebuilder:validation:XValidation:rule=`self.split(",").all(c, !isCIDR(c) || cidr(c).prefixLength() < (c.contains(":") ? 128 : 32))`,message="cidrBlock must be a network: /32 and /128 are single addresses"
	// +kubebuilder:validation:XValidation:rule=`self.split(",").all(c, !isCIDR(c) || cidr(c).ip().isGlobalUnicast())`,message="cidrBlock must be of global unicast addresses: not loopback, link-local, multicast or unspecified ones"
	// +kubebuilder:validation:XValidation:rule=`self == self.lowerAscii()`,message="cidrBlock must be written in lower case"
	CIDRBlock string `json:"cidrBlock,omitempty"`

	// Gateway is the subnet's router address, one of each family of cidrBlock;
	// the first host of each is taken where it is empty.
	// +optional
	// +kubebuilder:validation:MaxLength=90
	// +kubebuilder:validation:XValidation:rule=`self == "" || self.split(",").all(g, isIP(g))`,message="gateway must be an IP address, or an IPv4 and an IPv6 address separated by a comma"
	// +kubebuilder:validation:XValidation:rule=`self.split(",").size() == 1 || (self.split(",").size() == 2 && self.split(",").exists_one(g, g.contains(":")))`,message="gateway may hold at most one address of each family"
	Gateway string `json:"gateway,omitempty"`

	// ExcludeIPs are addresses that are never given out: single ones, or ranges
	// written first..last. The gateway need not be named.
	// +optional
	// +kubebuilder:validation:MaxItems=1024
	// +kubebuilder:validation:items:MaxLength=92
	// +kubebuilder:validation:items:XValidation:rule=`isIP(self) || (self.contains("..") && isIP(self.substring(0, self.indexOf(".."))) && isIP(self.substring(self.indexOf("..") + 2)))`,message="must be an IP address or a range such as 10.16.0.10..10.16.0.20"
	// +kubebuilder:validation:items:XValidation:rule=`!self.contains("..") || self.substring(0, self.indexOf("..")).contains(":") == self.substring(self.indexOf("..")).contains(":")`,message="both ends of a range must be of one address family"
	// +kubebuilder:validation:items:XValidation:rule=`self.contains(":") || !self.split("..", 3).all(a, isIP(a)) || self.split("..", 3).map(a, a.split(".", 4).map(n, int(n))).map(o, o[0] * 16777216 + o[1] * 65536 + o[2] * 256 + o[3]).isSorted()`,message="a range must begin with its lower end"
	ExcludeIPs []string `json:"excludeIps,omitempty"`

	// Namespaces are bound to the subnet: their pods get its addresses.
	// +optional
	// +kubebuilder:validation:MaxItems=1000
	// +kubebuilder:validation:items:MaxLength=63
	Namespaces []string `json:"namespaces,omitempty"`

	// NamespaceSelectors bind namespaces by their labels, as namespaces does by
	// name; one selector that matches is enough.
	// +optional
	// +kubebuilder:validation:MaxItems=1000
	NamespaceSelectors []metav1.LabelSelector `json:"namespaceSelectors,omitempty"`

	// Default marks the subnet of namespaces that no other one names. Only the
	// subnet that the controller was configured with keeps it.
	// +optional
	// +kubebuilder:default=false
	Default bool `json:"default,omitempty"`

	// Protocol is IPv4, IPv6, Dual or Mac. The controller derives it from
	// cidrBlock.
	// +optional
	// +kubebuilder:validation:Enum="";IPv4;IPv6;Dual;Mac
	Protocol string `json:"protocol,omitempty"`

	// Provider is ovn for a primary network, which is the default;
	// <nad>.<namespace>.ovn for an attachment on OVN; <nad>.<namespace> for one
	// that only takes its addresses from here.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Provider string `json:"provider,omitempty"`

	// Vpc is the network whose router the subnet joins. The controller fills in
	// the default VPC.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Vpc string `json:"vpc,omitempty"`

	// Vlan is the Vlan object that makes this an underlay subnet.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Vlan string `json:"vlan,omitempty"`

	// MTU of the pods' interfaces; 0 is what the path allows.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65535
	MTU int32 `json:"mtu,omitempty"`

	// Private drops all traffic except with the same subnet, the nodes and
	// allowSubnets.
	// +optional
	// +kubebuilder:default=false
	Private bool `json:"private,omitempty"`

	// AllowSubnets are the CIDRs that a private subnet speaks with.
	// +optional
	// +kubebuilder:validation:MaxItems=1024
	// +kubebuilder:validation:items:MaxLength=50
	// +kubebuilder:validation:items:XValidation:rule=`isCIDR(self)`,message="must be a CIDR"
	AllowSubnets []string `json:"allowSubnets,omitempty"`

	// ACLs are the user's own rules on the logical switch.
	// +optional
	// +kubebuilder:validation:MaxItems=500
	ACLs []ACL `json:"acls,omitempty"`

	// AllowEWTraffic allows traffic within the subnet before the default of acls.
	// +optional
	AllowEWTraffic bool `json:"allowEWTraffic,omitempty"`

	// NatOutgoing hides pods behind their node's address when they speak with
	// something outside the cluster.
	// +optional
	// +kubebuilder:default=false
	NatOutgoing bool `json:"natOutgoing,omitempty"`

	// NatOutgoingPolicyRules are exceptions from natOutgoing, in order; the first
	// that matches decides.
	// +optional
	// +kubebuilder:validation:MaxItems=500
	NatOutgoingPolicyRules []NatOutgoingPolicyRule `json:"natOutgoingPolicyRules,omitempty"`

	// GatewayType is distributed (every node sends out its own pods' traffic;
	// the default in the default VPC) or centralized (chosen nodes do).
	// +optional
	// +kubebuilder:validation:Enum="";distributed;centralized
	GatewayType string `json:"gatewayType,omitempty"`

	// GatewayNode lists the gateway nodes of a centralized subnet, separated by
	// commas; node:ip also says which address they send from.
	// +optional
	GatewayNode string `json:"gatewayNode,omitempty"`

	// GatewayNodeSelectors choose the gateway nodes by label.
	// +optional
	// +kubebuilder:validation:MaxItems=1000
	GatewayNodeSelectors []metav1.LabelSelector `json:"gatewayNodeSelectors,omitempty"`

	// EnableEcmp uses all ready gateway nodes at once.
	// +optional
	EnableEcmp bool `json:"enableEcmp,omitempty"`

	// ExternalEgressGateway is a router outside, one address per family, that
	// gets the pods' traffic unmasqueraded.
	// +optional
	// +kubebuilder:validation:MaxLength=90
	// +kubebuilder:validation:XValidation:rule=`self == "" || (self.split(",").size() <= 2 && self.split(",").all(g, isIP(g)))`,message="externalEgressGateway must be one or two IP addresses separated by a comma"
	ExternalEgressGateway string `json:"externalEgressGateway,omitempty"`

	// PolicyRoutingPriority is the priority of the ip rules for
	// externalEgressGateway.
	// +optional
	// +kubebuilder:validation:Minimum=0
	PolicyRoutingPriority int32 `json:"policyRoutingPriority,omitempty"`

	// PolicyRoutingTableID is the route table of externalEgressGateway.
	// +optional
	// +kubebuilder:validation:Minimum=0
	PolicyRoutingTableID int32 `json:"policyRoutingTableID,omitempty"`

	// RouteTable is the table of the VPC's router that traffic from this subnet
	// is looked up in.
	// +optional
	RouteTable string `json:"routeTable,omitempty"`

	// DisableGatewayCheck lets a pod start although its gateway does not answer.
	// +optional
	DisableGatewayCheck bool `json:"disableGatewayCheck,omitempty"`

	// DisableInterConnection keeps the subnet from being advertised to other
	// clusters.
	// +optional
	DisableInterConnection bool `json:"disableInterConnection,omitempty"`

	// EnableDHCP answers DHCP requests of the pods' ports.
	// +optional
	EnableDHCP bool `json:"enableDHCP,omitempty"`

	// DHCPv4Options are key=value pairs separated by commas.
	// +optional
	DHCPv4Options string `json:"dhcpV4Options,omitempty"`

	// DHCPv6Options are key=value pairs separated by commas.
	// +optional
	DHCPv6Options string `json:"dhcpV6Options,omitempty"`

	// EnableIPv6RA sends router advertisements.
	// +optional
	EnableIPv6RA bool `json:"enableIPv6RA,omitempty"`

	// IPv6RAConfigs are key=value pairs separated by commas.
	// +optional
	IPv6RAConfigs string `json:"ipv6RAConfigs,omitempty"`

	// EnableLb attaches the VPC's load balancers to the switch; what the
	// controller was configured with counts where it is absent.
	// +optional
	EnableLb *bool `json:"enableLb,omitempty"`

	// EnableExternalLBAddress lets LoadBalancer Services have addresses of this
	// underlay subnet.
	// +optional
	EnableExternalLBAddress bool `json:"enableExternalLBAddress,omitempty"`

	// EnableMulticastSnoop turns on IGMP and MLD snooping with a querier.
	// +optional
	EnableMulticastSnoop bool `json:"enableMulticastSnoop,omitempty"`

	// LogicalGateway makes the VPC's router the gateway of an underlay subnet.
	// +optional
	LogicalGateway bool `json:"logicalGateway,omitempty"`

	// NodeNetwork names the network of the nodes that tunnels of this subnet's
	// pods run over.
	// +optional
	NodeNetwork string `json:"nodeNetwork,omitempty"`

	// U2OInterconnection joins an underlay subnet to the VPC's router as well, so
	// that its pods reach the overlay.
	// +optional
	U2OInterconnection bool `json:"u2oInterconnection,omitempty"`

	// U2OInterconnectionIP is the router's address there; one is chosen where it
	// is empty.
	// +optional
	// +kubebuilder:validation:MaxLength=90
	// +kubebuilder:validation:XValidation:rule=`self == "" || (self.split(",").size() <= 2 && self.split(",").all(a, isIP(a)))`,message="u2oInterconnectionIP must be an IP address, or an IPv4 and an IPv6 address separated by a comma"
	U2OInterconnectionIP string `json:"u2oInterconnectionIP,omitempty"`

	// U2OFeatures tune u2oInterconnection.
	// +optional
	U2OFeatures *U2OFeatures `json:"u2oFeatures,omitempty"`

	// Vips are virtual addresses that pods of the subnet may share.
	// +optional
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=45
	// +kubebuilder:validation:items:XValidation:rule=`isIP(self)`,message="must be an IP address"
	Vips []string `json:"vips,omitempty"`
}

// ACL is a user's rule on the logical switch.
type ACL struct {
	// Direction is seen from the switch: from-lport is traffic that pods send,
	// to-lport traffic that they get.
	// +optional
	// +kubebuilder:validation:Enum=from-lport;to-lport
	Direction string `json:"direction,omitempty"`

	// Priority decides between rules that match the same packet; the highest
	// wins.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=32767
	Priority int `json:"priority,omitempty"`

	// Match is an expression in the language of ovn-sb(5), Logical_Flow.
	// +optional
	Match string `json:"match,omitempty"`

	// Action is what happens to a packet that matches: ovn-nb(5), ACL.
	// +optional
	// +kubebuilder:validation:Enum=allow;allow-related;allow-stateless;drop;reject;pass
	Action string `json:"action,omitempty"`
}

// NatOutgoingPolicyRule is an exception from natOutgoing.
type NatOutgoingPolicyRule struct {
	// Match says which traffic the rule is for.
	// +optional
	Match NatOutgoingPolicyMatch `json:"match,omitempty,omitzero"`

	// Action is nat or forward.
	// +optional
	// +kubebuilder:validation:Enum="";nat;forward
	Action string `json:"action,omitempty"`
}

// NatOutgoingPolicyMatch is a set of source and of destination addresses; an
// empty one matches everything.
//
// +kubebuilder:validation:XValidation:rule=`!((has(self.srcIPs) && self.srcIPs.contains(":")) || (has(self.dstIPs) && self.dstIPs.contains(":"))) || !((has(self.srcIPs) && self.srcIPs.contains(".")) || (has(self.dstIPs) && self.dstIPs.contains(".")))`,message="srcIPs and dstIPs must be of one address family"
type NatOutgoingPolicyMatch struct {
	// SrcIPs are addresses, CIDRs and ranges, separated by commas.
	// +optional
	// +kubebuilder:validation:MaxLength=8192
	SrcIPs string `json:"srcIPs,omitempty"`

	// DstIPs are addresses, CIDRs and ranges, separated by commas.
	// +optional
	// +kubebuilder:validation:MaxLength=8192
	DstIPs string `json:"dstIPs,omitempty"`
}

// U2OFeatures tune the connection from underlay to overlay.
type U2OFeatures struct {
	// OverlayOnlyRouting routes only the overlay's CIDRs in OVN and leaves
	// everything else to the physical gateway.
	// +optional
	OverlayOnlyRouting bool `json:"overlayOnlyRouting,omitempty"`
}

// SubnetStatus is what became of a subnet.
type SubnetStatus struct {
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []Condition `json:"conditions,omitempty"`

	// V4AvailableIPs is how many IPv4 addresses can still be given out.
	// +optional
	V4AvailableIPs BigInt `json:"v4availableIPs"`
	// V4AvailableIPRange is which ones they are: ranges separated by commas.
	// +optional
	V4AvailableIPRange string `json:"v4availableIPrange,omitempty"`
	// V4UsingIPs is how many IPv4 addresses are held.
	// +optional
	V4UsingIPs BigInt `json:"v4usingIPs"`
	// V4UsingIPRange is which ones they are: ranges separated by commas.
	// +optional
	V4UsingIPRange string `json:"v4usingIPrange,omitempty"`

	// V6AvailableIPs is how many IPv6 addresses can still be given out.
	// +optional
	V6AvailableIPs BigInt `json:"v6availableIPs"`
	// V6AvailableIPRange is which ones they are: ranges separated by commas.
	// +optional
	V6AvailableIPRange string `json:"v6availableIPrange,omitempty"`
	// V6UsingIPs is how many IPv6 addresses are held.
	// +optional
	V6UsingIPs BigInt `json:"v6usingIPs"`
	// V6UsingIPRange is which ones they are: ranges separated by commas.
	// +optional
	V6UsingIPRange string `json:"v6usingIPrange,omitempty"`

	// ActivateGateway is the node that a centralized subnet's traffic leaves by.
	// +optional
	ActivateGateway string `json:"activateGateway,omitempty"`

	// DHCPv4OptionsUUID is the row in OVN that holds the DHCPv4 options.
	// +optional
	DHCPv4OptionsUUID string `json:"dhcpV4OptionsUUID,omitempty"`
	// DHCPv6OptionsUUID is the row in OVN that holds the DHCPv6 options.
	// +optional
	DHCPv6OptionsUUID string `json:"dhcpV6OptionsUUID,omitempty"`

	// McastQuerierIP is the address that multicast queries are sent from.
	// +optional
	McastQuerierIP string `json:"mcastQuerierIP,omitempty"`
	// McastQuerierMAC is the MAC that multicast queries are sent from.
	// +optional
	McastQuerierMAC string `json:"mcastQuerierMAC,omitempty"`

	// NatOutgoingPolicyRules are those of the spec, each with an id.
	// +optional
	// +kubebuilder:validation:MaxItems=500
	NatOutgoingPolicyRules []NatOutgoingPolicyRuleStatus `json:"natOutgoingPolicyRules,omitempty"`

	// U2OInterconnectionIP is the router's address in an underlay subnet.
	// +optional
	U2OInterconnectionIP string `json:"u2oInterconnectionIP,omitempty"`
	// U2OInterconnectionMAC is the router's MAC in an underlay subnet.
	// +optional
	U2OInterconnectionMAC string `json:"u2oInterconnectionMAC,omitempty"`
	// U2OInterconnectionVPC is the router that an underlay subnet is joined to.
	// +optional
	U2OInterconnectionVPC string `json:"u2oInterconnectionVPC,omitempty"`
}

// NatOutgoingPolicyRuleStatus is a rule of the spec with the id that names its
// sets of addresses on the nodes.
type NatOutgoingPolicyRuleStatus struct {
	NatOutgoingPolicyRule `json:",inline"`

	// RuleID is 12 characters long.
	// +optional
	RuleID string `json:"ruleID,omitempty"`
}

// SubnetList is a list of Subnets.
//
// +kubebuilder:object:root=true
type SubnetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Subnet `json:"items"`
}
