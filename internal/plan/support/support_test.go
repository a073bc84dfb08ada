package support_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	v1 "hawser/api/v1"
	"hawser/internal/plan/support"
)

func TestSubnet(t *testing.T) {
	cases := []struct{ name, spec, blocking, others string }{
		{"all that is built", `{cidrBlock: 10.1.0.0/16, gateway: 10.1.0.1, excludeIps: [10.1.0.2], namespaces: [a], namespaceSelectors: [{}], default: true, protocol: IPv4, provider: ovn, vpc: red, mtu: 1400, private: true, allowSubnets: [10.2.0.0/16], natOutgoing: true, gatewayType: distributed, disableGatewayCheck: true}`, "", ""},
		{"false and empty", `{vlan: "", acls: [], enableDHCP: false, enableLb: false, gatewayNode: ""}`, "", ""},
		{"underlay", `{vlan: v7, disableGatewayCheck: true, gatewayType: centralized, gatewayNode: n1}`, "", ""},
		{"underlay and overlay", `{vlan: v7, u2oInterconnection: true, u2oFeatures: {overlayOnlyRouting: true}, enableExternalLBAddress: true}`, "", "spec.u2oInterconnection spec.enableExternalLBAddress"},
		{"underlay behind a router", `{vlan: v7, logicalGateway: true}`, "spec.logicalGateway", ""},
		{"without a VLAN they have no effect", `{logicalGateway: true, u2oInterconnection: true, enableExternalLBAddress: true}`, "", ""},
		{"attachment", `{provider: net1.default.ovn}`, "spec.provider", ""},
		{"ACLs", `{acls: [{action: drop}], allowEWTraffic: true}`, "spec.acls", ""},
		{"egress gateway", `{externalEgressGateway: 192.0.2.1, policyRoutingTableID: 9}`, "spec.externalEgressGateway", ""},
		{"centralized", `{gatewayType: centralized, gatewayNode: n1, gatewayNodeSelectors: [{}], enableEcmp: true}`, "", "spec.gatewayType spec.gatewayNode spec.gatewayNodeSelectors spec.enableEcmp"},
		{"gateway nodes without effect", `{gatewayType: distributed, gatewayNode: n1, enableEcmp: true}`, "", ""},
		{"rules without NAT", `{natOutgoingPolicyRules: [{action: nat}]}`, "", ""},
		{"rules with NAT", `{natOutgoing: true, natOutgoingPolicyRules: [{action: nat}]}`, "", "spec.natOutgoingPolicyRules"},
		{"the rest", `{routeTable: t, nodeNetwork: n, enableDHCP: true, enableIPv6RA: true, enableLb: true, enableMulticastSnoop: true, vips: [10.1.0.4]}`, "", "spec.routeTable spec.nodeNetwork spec.enableDHCP spec.enableIPv6RA spec.enableLb spec.enableMulticastSnoop spec.vips"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var subnet v1.Subnet
			if err := yaml.UnmarshalStrict([]byte("spec: "+c.spec), &subnet); err != nil {
				t.Fatal(err)
			}
			blocking, others := support.Subnet(&subnet)
			check(t, "blocking", blocking, c.blocking)
			check(t, "others", others, c.others)
		})
	}
}

func TestVpc(t *testing.T) {
	cases := []struct{ name, spec, blocking, others string }{
		{"empty", `{}`, "", ""},
		{"isolating", `{policyRoutes: [{action: drop}], namespaces: [a], defaultSubnet: s}`, "spec.policyRoutes spec.namespaces", "spec.defaultSubnet"},
		{"BFD port turned off", `{bfdPort: {enabled: false}}`, "", ""},
		{"the rest", `{staticRoutes: [{}], vpcPeerings: [{}], enableExternal: true, extraExternalSubnets: [s], enableBfd: true, bfdPort: {enabled: true}}`, "", "spec.staticRoutes spec.vpcPeerings spec.enableExternal spec.extraExternalSubnets spec.enableBfd spec.bfdPort"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var vpc v1.Vpc
			if err := yaml.UnmarshalStrict([]byte("spec: "+c.spec), &vpc); err != nil {
				t.Fatal(err)
			}
			blocking, others := support.Vpc(&vpc)
			check(t, "blocking", blocking, c.blocking)
			check(t, "others", others, c.others)
		})
	}
}

func check(t *testing.T, what string, got []string, want string) {
	t.Helper()
	if text := strings.Join(got, " "); text != want {
		t.Errorf("%s is %q, not %q", what, text, want)
	}
}

// withoutEffect are fields that ask for nothing by themselves. Each is either
// built, or matters only beside a field that is already listed.
var withoutEffect = map[string][]string{
	"Subnet": {
		// built
		"cidrBlock", "gateway", "excludeIps", "namespaces", "namespaceSelectors", "default", "protocol", "vpc",
		"mtu", "private", "allowSubnets", "natOutgoing", "disableGatewayCheck",
		// no other cluster is connected, so nothing is advertised
		"disableInterConnection",
		// with acls
		"allowEWTraffic",
		// with externalEgressGateway
		"policyRoutingPriority", "policyRoutingTableID",
		// with enableDHCP, enableIPv6RA
		"dhcpV4Options", "dhcpV6Options", "ipv6RAConfigs",
		"vlan",
		// with u2oInterconnection
		"u2oInterconnectionIP", "u2oFeatures",
	},
	"ProviderNetwork": {
		"defaultInterface", "defaultInterfaces", "customInterfaces", "excludeNodes", "nodeSelector",
		"attachment", "exchangeLinkName", "vlanInterfaces", "preserveVlanInterfaces", "autoCreateVlanSubinterfaces", "mode", "rollout", "dryRun", "trustPods",
		// with several NICs
		"loopProtection",
	},
}

// TestNoFieldForgotten fails for a field of the schema that is neither built nor
// listed: it would be ignored in silence.
func TestNoFieldForgotten(t *testing.T) {
	on := true
	blocking, others := support.Subnet(&v1.Subnet{Spec: v1.SubnetSpec{
		Provider: "a.b", ACLs: make([]v1.ACL, 1), ExternalEgressGateway: "g",
		GatewayType: v1.GatewayCentralized, GatewayNode: "n", GatewayNodeSelectors: make([]metav1.LabelSelector, 1), EnableEcmp: true,
		NatOutgoing: true, NatOutgoingPolicyRules: make([]v1.NatOutgoingPolicyRule, 1), RouteTable: "t", NodeNetwork: "n",
		EnableDHCP: true, EnableIPv6RA: true, EnableLb: &on, EnableMulticastSnoop: true, Vips: []string{"v"},
	}})
	ofUnderlay, morePartly := support.Subnet(&v1.Subnet{Spec: v1.SubnetSpec{
		Vlan: "v", LogicalGateway: true, U2OInterconnection: true, EnableExternalLBAddress: true,
	}})
	complete(t, reflect.TypeFor[v1.SubnetSpec](), slices.Concat(blocking, others, ofUnderlay, morePartly), withoutEffect["Subnet"])

	blocking, others = support.Vpc(&v1.Vpc{Spec: v1.VpcSpec{
		Namespaces: []string{"a"}, DefaultSubnet: "s", PolicyRoutes: make([]v1.PolicyRoute, 1), StaticRoutes: make([]v1.StaticRoute, 1),
		VpcPeerings: make([]v1.VpcPeering, 1), EnableExternal: true, ExtraExternalSubnets: []string{"s"}, EnableBfd: true, BFDPort: &v1.BFDPort{Enabled: true},
	}})
	complete(t, reflect.TypeFor[v1.VpcSpec](), slices.Concat(blocking, others), nil)

	complete(t, reflect.TypeFor[v1.ProviderNetworkSpec](), nil, withoutEffect["ProviderNetwork"])
	_, others = support.Vlan(&v1.Vlan{Spec: v1.VlanSpec{ProviderInterfaceName: "e"}})
	complete(t, reflect.TypeFor[v1.VlanSpec](), others, []string{"id", "provider", "vlanId"})
}

func complete(t *testing.T, spec reflect.Type, listed, without []string) {
	t.Helper()
	for i := range spec.NumField() {
		name, _, _ := strings.Cut(spec.Field(i).Tag.Get("json"), ",")
		if !slices.Contains(listed, "spec."+name) && !slices.Contains(without, name) {
			t.Errorf("%s.%s is neither built nor listed", spec.Name(), name)
		}
	}
}
