package v1_test

import (
	"math/big"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "hawser/api/v1"
)

// The full objects have every field set, each to a value that stands together
// with the others: where two fields exclude each other, one of them is absent.

func typeMeta(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: v1.GroupVersion.String(), Kind: kind}
}

func fullConditions() []v1.Condition {
	now := metav1.NewTime(time.Unix(1_700_000_000, 0).UTC())
	return []v1.Condition{{
		Type: v1.ConditionReady, Status: metav1.ConditionTrue, Reason: "Realised", Message: "all is well",
		LastUpdateTime: now, LastTransitionTime: now, ObservedGeneration: 3,
	}}
}

func fullSubnet() *v1.Subnet {
	enableLb := true
	selector := metav1.LabelSelector{MatchLabels: map[string]string{"team": "blue"}}
	rule := v1.NatOutgoingPolicyRule{Action: "nat", Match: v1.NatOutgoingPolicyMatch{SrcIPs: "10.1.0.5", DstIPs: "192.0.2.0/24"}}
	huge, _ := new(big.Int).SetString("18446744073709551614", 10)
	return &v1.Subnet{
		TypeMeta:   typeMeta("Subnet"),
		ObjectMeta: metav1.ObjectMeta{Name: "blue"},
		Spec: v1.SubnetSpec{
			CIDRBlock: "10.1.0.0/16,fd00:1::/64", Gateway: "10.1.0.1,fd00:1::1", ExcludeIPs: []string{"10.1.0.9", "fd00:1::10..fd00:1::20"},
			Namespaces: []string{"blue"}, NamespaceSelectors: []metav1.LabelSelector{selector},
			Default: true, Protocol: v1.ProtocolDual, Provider: v1.ProviderOVN, Vpc: v1.DefaultVpc, Vlan: "vlan7", MTU: 1400,
			Private: true, AllowSubnets: []string{"192.0.2.0/24"}, AllowEWTraffic: true,
			ACLs:        []v1.ACL{{Direction: "to-lport", Priority: 1002, Match: "ip4", Action: "drop"}},
			NatOutgoing: true, NatOutgoingPolicyRules: []v1.NatOutgoingPolicyRule{rule},
			GatewayType: v1.GatewayCentralized, GatewayNode: "n1,n2", GatewayNodeSelectors: []metav1.LabelSelector{selector}, EnableEcmp: true,
			PolicyRoutingPriority: 1001, PolicyRoutingTableID: 1000, RouteTable: "blue",
			DisableGatewayCheck: true, DisableInterConnection: true,
			EnableDHCP: true, DHCPv4Options: "lease_time=3600", DHCPv6Options: "server_id=00:00:00:00:00:01",
			EnableIPv6RA: true, IPv6RAConfigs: "address_mode=slaac", EnableLb: &enableLb, EnableExternalLBAddress: true, EnableMulticastSnoop: true,
			NodeNetwork: "storage", U2OInterconnection: true, U2OInterconnectionIP: "10.1.0.7", U2OFeatures: &v1.U2OFeatures{OverlayOnlyRouting: true},
			Vips: []string{"10.1.0.8"},
		},
		Status: v1.SubnetStatus{
			Conditions:     fullConditions(),
			V4AvailableIPs: v1.NewBigInt(big.NewInt(65532)), V4AvailableIPRange: "10.1.0.2..10.1.255.254", V4UsingIPs: "0", V4UsingIPRange: "10.1.0.3",
			V6AvailableIPs: v1.NewBigInt(huge), V6AvailableIPRange: "fd00:1::2..fd00:1::f", V6UsingIPs: "1", V6UsingIPRange: "fd00:1::3",
			ActivateGateway: "n1", DHCPv4OptionsUUID: "u4", DHCPv6OptionsUUID: "u6", McastQuerierIP: "10.1.0.6", McastQuerierMAC: "00:00:00:00:00:06",
			NatOutgoingPolicyRules: []v1.NatOutgoingPolicyRuleStatus{{NatOutgoingPolicyRule: rule, RuleID: "0123456789ab"}},
			U2OInterconnectionIP:   "10.1.0.7", U2OInterconnectionMAC: "00:00:00:00:00:07", U2OInterconnectionVPC: v1.DefaultVpc,
		},
	}
}

func fullVpc() *v1.Vpc {
	return &v1.Vpc{
		TypeMeta:   typeMeta("Vpc"),
		ObjectMeta: metav1.ObjectMeta{Name: "red"},
		Spec: v1.VpcSpec{
			Namespaces: []string{"red"}, DefaultSubnet: "red-1",
			StaticRoutes:   []v1.StaticRoute{{Policy: "policySrc", CIDR: "10.0.0.0/8", NextHopIP: "10.1.0.2", ECMPMode: "ecmp_symmetric_reply", BfdID: "id", RouteTable: "blue"}},
			PolicyRoutes:   []v1.PolicyRoute{{Priority: 10, Match: "ip4", Action: "reroute", NextHopIP: "10.1.0.2,10.1.0.3"}},
			VpcPeerings:    []v1.VpcPeering{{RemoteVpc: "green", LocalConnectIP: "169.254.0.1/30"}},
			EnableExternal: true, ExtraExternalSubnets: []string{"out"}, EnableBfd: true,
			BFDPort: &v1.BFDPort{Enabled: true, IP: "10.1.0.4", NodeSelector: &metav1.LabelSelector{}},
		},
		Status: v1.VpcStatus{
			Conditions: fullConditions(), Standby: true, Default: true, DefaultLogicalSwitch: "red-1", Router: "red",
			Subnets: []string{"red-1"}, VpcPeerings: []string{"green"}, EnableExternal: true, ExtraExternalSubnets: []string{"out"}, EnableBfd: true,
			BFDPort:         v1.BFDPortStatus{Name: "bfd@red", IP: "10.1.0.4", Nodes: []string{"n1"}},
			TCPLoadBalancer: "t", TCPSessionLoadBalancer: "ts", UDPLoadBalancer: "u", UDPSessionLoadBalancer: "us", SCTPLoadBalancer: "s", SCTPSessionLoadBalancer: "ss",
		},
	}
}

func fullIP() *v1.IP {
	return &v1.IP{
		TypeMeta:   typeMeta("IP"),
		ObjectMeta: metav1.ObjectMeta{Name: "web-0.blue"},
		Spec: v1.IPSpec{
			PodName: "web-0", Namespace: "blue", Subnet: "blue", NodeName: "n1", PodType: v1.PodTypeStatefulSet,
			IPAddress: "10.1.0.5,fd00:1::5", V4IPAddress: "10.1.0.5", V6IPAddress: "fd00:1::5", MacAddress: "0a:58:0A:01:00:05",
			AttachIPs: []string{"192.0.2.1"}, AttachMacs: []string{"0a:58:0a:01:00:06"}, AttachSubnets: []string{"other"}, ContainerID: "c",
		},
	}
}
