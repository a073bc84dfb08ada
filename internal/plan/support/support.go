// Package support knows which fields of the API are not built yet, so that no
// field is ever ignored in silence.
//
// It splits the fields that an object sets into two kinds. A blocking field
// isolates or protects: realising the object without it would open what the
// user closed, so the object is not realised at all (Ready=False, reason
// Unsupported). Any other field is left out and the object realised without it
// (condition Supported=False). A field that is empty, false, or without effect
// beside the object's other fields is in neither list.
//
// When a field gets built, its line here goes.
package support

import v1 "hawser/api/v1"

// field is a field by its path in the object, and whether the object sets it to
// something with an effect.
type field struct {
	path string
	set  bool
}

// Subnet is the fields of a subnet that are not built yet, by path.
func Subnet(subnet *v1.Subnet) (blocking, others []string) {
	spec := &subnet.Spec
	underlay := spec.Vlan != ""
	centralized := !underlay && spec.GatewayType == v1.GatewayCentralized
	blocking = paths(
		// An attachment's subnet must not become a primary network.
		field{"spec.provider", spec.Provider != "" && spec.Provider != v1.ProviderOVN},
		field{"spec.acls", len(spec.ACLs) > 0},
		// What is meant to pass that gateway, often a firewall, would pass it by.
		field{"spec.externalEgressGateway", spec.ExternalEgressGateway != ""},
		// Pods would have a gateway that does not exist.
		field{"spec.logicalGateway", underlay && spec.LogicalGateway},
	)
	others = paths(
		field{"spec.gatewayType", centralized},
		field{"spec.gatewayNode", centralized && spec.GatewayNode != ""},
		field{"spec.gatewayNodeSelectors", centralized && len(spec.GatewayNodeSelectors) > 0},
		field{"spec.enableEcmp", centralized && spec.EnableEcmp},
		field{"spec.natOutgoingPolicyRules", spec.NatOutgoing && len(spec.NatOutgoingPolicyRules) > 0},
		field{"spec.routeTable", spec.RouteTable != ""},
		field{"spec.nodeNetwork", spec.NodeNetwork != ""},
		field{"spec.enableDHCP", spec.EnableDHCP},
		field{"spec.enableIPv6RA", spec.EnableIPv6RA},
		field{"spec.enableLb", spec.EnableLb != nil && *spec.EnableLb},
		field{"spec.enableMulticastSnoop", spec.EnableMulticastSnoop},
		field{"spec.vips", len(spec.Vips) > 0},
		field{"spec.u2oInterconnection", underlay && spec.U2OInterconnection},
		field{"spec.enableExternalLBAddress", underlay && spec.EnableExternalLBAddress},
	)
	return blocking, others
}

// Vpc is the fields of a VPC that are not built yet, by path.
func Vpc(vpc *v1.Vpc) (blocking, others []string) {
	spec := &vpc.Spec
	blocking = paths(
		// A policy may be all that keeps two networks apart.
		field{"spec.policyRoutes", len(spec.PolicyRoutes) > 0},
		// Pods of these namespaces would land in the default VPC.
		field{"spec.namespaces", len(spec.Namespaces) > 0},
	)
	others = paths(
		field{"spec.defaultSubnet", spec.DefaultSubnet != ""},
		field{"spec.staticRoutes", len(spec.StaticRoutes) > 0},
		field{"spec.vpcPeerings", len(spec.VpcPeerings) > 0},
		field{"spec.enableExternal", spec.EnableExternal},
		field{"spec.extraExternalSubnets", len(spec.ExtraExternalSubnets) > 0},
		field{"spec.enableBfd", spec.EnableBfd},
		field{"spec.bfdPort", spec.BFDPort != nil && spec.BFDPort.Enabled},
	)
	return blocking, others
}

// Vlan is the fields of a Vlan that are not built yet, by path.
func Vlan(vlan *v1.Vlan) (blocking, others []string) {
	return nil, paths(field{"spec.providerInterfaceName", vlan.Spec.ProviderInterfaceName != ""})
}

// paths is those of the fields that are set.
func paths(fields ...field) []string {
	var set []string
	for _, f := range fields {
		if f.set {
			set = append(set, f.path)
		}
	}
	return set
}
