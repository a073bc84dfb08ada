package v1

// Finalizer keeps an object until the controller has taken its rows out of OVN.
const Finalizer = "kubeovn.io/kube-ovn-controller"

// OldFinalizer is what Kube-OVN before 1.13 wrote; the controller takes it off
// where it finds it.
const OldFinalizer = "kube-ovn-controller"

// Annotations of a pod's primary interface. The user writes a request, the
// controller writes what was given; each key is marked by who writes it.
const (
	// AnnotationAllocated (controller) is "true" once the pod has its addresses.
	AnnotationAllocated = "ovn.kubernetes.io/allocated"
	// AnnotationRouted (controller) is "true" once the pod's port and groups are
	// committed to OVN.
	AnnotationRouted = "ovn.kubernetes.io/routed"
	// AnnotationIPAddress (user or controller) is "v4", "v6" or "v4,v6".
	AnnotationIPAddress = "ovn.kubernetes.io/ip_address"
	// AnnotationMACAddress (user or controller) is the interface's MAC.
	AnnotationMACAddress = "ovn.kubernetes.io/mac_address"
	// AnnotationIPFamily (user) is ipv4 or ipv6: the only family wanted from a
	// subnet of both.
	AnnotationIPFamily = "ovn.kubernetes.io/ip_family"
	// AnnotationIPPool (user) is the name of an IPPool, or a list of addresses:
	// "v4,v4" or, of both families, "v4,v6;v4,v6".
	AnnotationIPPool = "ovn.kubernetes.io/ip_pool"
	// AnnotationCIDR (controller) is the cidrBlock of the pod's subnet, copied so
	// that the node needs no look-up.
	AnnotationCIDR = "ovn.kubernetes.io/cidr"
	// AnnotationGateway (controller) is the gateway of the pod's subnet.
	AnnotationGateway = "ovn.kubernetes.io/gateway"
	// AnnotationLogicalSwitch (user or controller) is the name of the subnet. On
	// a namespace it is the list of its subnets, in order, and the controller's.
	AnnotationLogicalSwitch = "ovn.kubernetes.io/logical_switch"
	// AnnotationRoutes (user) lists further routes of the pod as JSON,
	// [{"dst": "192.0.2.0/24", "gw": "10.16.0.9"}]: without dst it is the default
	// route, without gw it goes by the subnet's gateway.
	AnnotationRoutes = "ovn.kubernetes.io/routes"
	// AnnotationLogicalRouter (controller) is the name of the VPC.
	AnnotationLogicalRouter = "ovn.kubernetes.io/logical_router"
	// AnnotationPodNICType (controller) is how the interface is made:
	// PodNICVeth.
	AnnotationPodNICType = "ovn.kubernetes.io/pod_nic_type"
	// AnnotationVlanID (controller) is the number of the VLAN that a pod of an
	// underlay subnet is in; 0 is untagged.
	AnnotationVlanID = "ovn.kubernetes.io/vlan_id"
	// AnnotationServiceCIDR (controller), on a pod of an underlay subnet, is where
	// ClusterIPs come from, "v4,v6": what is for there goes by ServiceGateway4
	// and ServiceGateway6 instead of the physical gateway.
	AnnotationServiceCIDR = "ovn.kubernetes.io/service_cidr"
	// AnnotationProviderNetwork (controller) is the name of the ProviderNetwork
	// that a pod of an underlay subnet is in.
	AnnotationProviderNetwork = "ovn.kubernetes.io/provider_network"
	// AnnotationLayer2Forward (user) lets further MACs live behind a pod's port.
	AnnotationLayer2Forward = "ovn.kubernetes.io/layer2_forward"
)

// PodNICVeth is the value of AnnotationPodNICType for a pair of veth devices.
const PodNICVeth = "veth-pair"

// Annotations of a node. A node carries AnnotationAllocated, AnnotationIPAddress,
// AnnotationMACAddress, AnnotationCIDR, AnnotationGateway and
// AnnotationLogicalSwitch as well: they describe its ovn0.
const (
	// AnnotationPortName (controller) is the logical switch port of ovn0.
	AnnotationPortName = "ovn.kubernetes.io/port_name"
	// AnnotationChassis (agent) is the system-id of the node's Open vSwitch.
	AnnotationChassis = "ovn.kubernetes.io/chassis"
	// AnnotationLeaving (uninstallation) is "true" while the node's agent is to
	// take away what the fabric put there. The agent answers by taking off
	// AnnotationChassis.
	AnnotationLeaving = "ovn.kubernetes.io/leaving"
	// AnnotationTunnelInterface (user) is the name, or a regular expression, of
	// the NIC whose address tunnels end at.
	AnnotationTunnelInterface = "ovn.kubernetes.io/tunnel_interface"
)

// AnnotationExcludeIPs (controller) on a namespace is what its subnets never
// give out: the excludeIps of each, separated by ";". AnnotationCIDR on a
// namespace is their CIDRs, separated likewise.
const AnnotationExcludeIPs = "ovn.kubernetes.io/exclude_ips"

// Labels.
const (
	// LabelSubnet on an IP is the name of its subnet. The name itself stands
	// beside it as a label without value, for tools that select by that.
	LabelSubnet = "ovn.kubernetes.io/subnet"
	// LabelVpc on a Subnet is the name of its VPC.
	LabelVpc = "ovn.kubernetes.io/vpc"
	// LabelNodeName on an IP is the node that its holder runs on.
	LabelNodeName = "node-name"
	// LabelIPReserved on an IP is "true" while its holder does not exist.
	LabelIPReserved = "ip_reserved"
	// LabelProviderNetwork on a ProviderNetworkNode is the name of its
	// ProviderNetwork.
	LabelProviderNetwork = "ovn.kubernetes.io/provider-network"
	// LabelHostname on a ProviderNetworkNode is the name of its node, by which
	// an agent watches no others.
	LabelHostname = "kubernetes.io/hostname"
	// LabelRole on a node is "master" where ovn-central runs.
	LabelRole = "kube-ovn/role"
)

// The values of IP.spec.podType: owners whose pods keep their addresses.
const (
	PodTypeStatefulSet    = "StatefulSet"
	PodTypeVirtualMachine = "VirtualMachine"
)

// Names that the contract fixes for OVN and for the objects that every cluster
// has. The first three are defaults that flags change.
const (
	DefaultVpc    = "ovn-cluster"
	DefaultSubnet = "ovn-default"
	JoinSubnet    = "join"
	// Vendor is external_ids:vendor of every row that is ours.
	Vendor = "kube-ovn"
)

// ProviderNetworkNodeName names the part of a node in a provider network. The
// first dot ends the provider network's name, which has none.
func ProviderNetworkNodeName(network, node string) string { return network + "." + node }

// What the labels of a node say of a provider network, by the word after the
// slash of its key.
const (
	// NodeLabelReady is "true" or "false".
	NodeLabelReady = "ready"
	// NodeLabelInterface is the NIC; of several, the first.
	NodeLabelInterface = "interface"
	// NodeLabelMTU is the NIC's MTU, which the pods' interfaces get.
	NodeLabelMTU = "mtu"
	// NodeLabelExclude is "true" on a node that stays out.
	NodeLabelExclude = "exclude"
	// NodeLabelVlanInterfaces is the sub-interfaces that the host keeps, joined
	// by dots, because a label takes no comma.
	NodeLabelVlanInterfaces = "vlan_interfaces"
)

// NodeLabel is the key of a node's label about a provider network.
func NodeLabel(network, word string) string {
	return network + ".provider-network.kubernetes.io/" + word
}

// The next hop of an underlay pod, in the default VPC, for what its node has to
// handle and the physical gateway must not see: ClusterIPs. They are link-local,
// the same in every subnet, and answered by OVN to pods only.
const (
	ServiceGateway4 = "169.254.0.253"
	ServiceGateway6 = "fe80::a9fe:fd"
)
