package v1_test

import (
	"fmt"
	"strings"
	"testing"
)

// verdict is a manifest's spec and what the API server says to it: a part of
// the refusal, or nothing where it is accepted.
type verdict struct{ name, spec, refusal string }

func judgeAll(t *testing.T, plural, kind string, cases []verdict) {
	server := newServer(t, plural)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := server.judge(t, fmt.Sprintf("{apiVersion: kubeovn.io/v1, kind: %s, metadata: {name: blue}, spec: {%s}}", kind, c.spec))
			switch {
			case c.refusal == "" && got != "":
				t.Errorf("refused: %s", got)
			case c.refusal != "" && got == "":
				t.Error("accepted")
			case !strings.Contains(got, c.refusal):
				t.Errorf("refused, but not for what it is: %s", got)
			}
		})
	}
}

func TestSubnetRules(t *testing.T) {
	judgeAll(t, "subnets", "Subnet", []verdict{
		{"the least", `cidrBlock: 10.1.0.0/16`, ""},
		{"host bits are the controller's to clear", `cidrBlock: "10.1.2.3/16,fd00::5/64"`, ""},
		{"IPv6 first", `cidrBlock: "fd00::/64,10.1.0.0/16", gateway: "10.1.0.1,fd00::1"`, ""},
		{"two addresses wide", `cidrBlock: 10.1.0.0/31, gateway: 10.1.0.0`, ""},
		{"no CIDR", `namespaces: [blue]`, "cidrBlock is required"},
		{"empty CIDR", `cidrBlock: ""`, "cidrBlock is required"},
		{"an address only", `cidrBlock: 10.1.0.1`, "cidrBlock must be a CIDR"},
		{"not a CIDR", `cidrBlock: 10.1.0.0/33`, "cidrBlock must be a CIDR"},
		{"blank after the comma", `cidrBlock: "10.1.0.0/16, fd00::/64"`, "cidrBlock must be a CIDR"},
		{"trailing comma", `cidrBlock: "10.1.0.0/16,"`, "cidrBlock must be a CIDR"},
		{"twice IPv4", `cidrBlock: "10.1.0.0/16,10.2.0.0/16"`, "one CIDR of each address family"},
		{"three CIDRs", `cidrBlock: "10.1.0.0/16,10.2.0.0/16,fd00::/64"`, "one CIDR of each address family"},
		{"single IPv4 address", `cidrBlock: 10.1.0.1/32`, "/32 and /128 are single addresses"},
		{"single IPv6 address", `cidrBlock: "10.1.0.0/16,fd00::1/128"`, "/32 and /128 are single addresses"},
		{"IPv6 /32", `cidrBlock: "2001:db8::/32"`, ""},
		{"multicast", `cidrBlock: 224.0.0.0/8`, "global unicast"},
		{"link-local", `cidrBlock: "fe80::/64"`, "global unicast"},
		{"everything", `cidrBlock: 0.0.0.0/0`, "global unicast"},
		{"upper case", `cidrBlock: "FD00::/64"`, "lower case"},
		{"absurdly long", `cidrBlock: "` + strings.Repeat("1", 91) + `"`, "may not be more than 90"},

		{"gateway", `cidrBlock: 10.1.0.0/16, gateway: 10.1.0.254`, ""},
		{"gateway of both families", `cidrBlock: "10.1.0.0/16,fd00::/64", gateway: "10.1.0.1,fd00::1"`, ""},
		{"gateway with host bits in CIDR", `cidrBlock: 10.1.2.3/16, gateway: 10.1.0.1`, ""},
		{"gateway is no address", `cidrBlock: 10.1.0.0/16, gateway: router`, "gateway must be an IP address"},
		{"gateway outside", `cidrBlock: 10.1.0.0/16, gateway: 10.2.0.1`, "gateway must lie in cidrBlock"},
		{"gateway of a family the CIDR lacks", `cidrBlock: 10.1.0.0/16, gateway: "10.1.0.1,fd00::1"`, "gateway must lie in cidrBlock"},
		{"two gateways of one family", `cidrBlock: 10.1.0.0/16, gateway: "10.1.0.1,10.1.0.2"`, "one address of each family"},
		{"gateway is the network", `cidrBlock: 10.1.0.0/16, gateway: 10.1.0.0`, "network address"},

		{"excludeIps", `cidrBlock: "10.1.0.0/16,fd00::/64", excludeIps: [10.1.0.2, 10.1.0.10..10.1.0.20, "fd00::1..fd00::f"]`, ""},
		{"excludeIps with a dash", `cidrBlock: 10.1.0.0/16, excludeIps: [10.1.0.2-10.1.0.9]`, "must be an IP address or a range"},
		{"excludeIps with three ends", `cidrBlock: 10.1.0.0/16, excludeIps: [10.1.0.2..10.1.0.4..10.1.0.9]`, "must be an IP address or a range"},
		{"excludeIps without an end", `cidrBlock: 10.1.0.0/16, excludeIps: [10.1.0.2..]`, "must be an IP address or a range"},
		{"excludeIps, empty string", `cidrBlock: 10.1.0.0/16, excludeIps: [""]`, "must be an IP address or a range"},
		{"excludeIps backwards", `cidrBlock: 10.1.0.0/16, excludeIps: [10.1.0.20..10.1.0.3]`, "must begin with its lower end"},
		{"excludeIps backwards by the first number", `cidrBlock: 10.1.0.0/16, excludeIps: [10.1.1.1..10.1.0.200]`, "must begin with its lower end"},
		{"excludeIps of one address as a range", `cidrBlock: 10.1.0.0/16, excludeIps: [10.1.0.9..10.1.0.9]`, ""},
		{"excludeIps across families", `cidrBlock: 10.1.0.0/16, excludeIps: ["10.1.0.2..fd00::1"]`, "of one address family"},
		{"excludeIps at the limit", `cidrBlock: 10.1.0.0/16, excludeIps: [` + strings.Repeat("10.1.0.10..10.1.0.20,", 1023) + `10.1.0.2]`, ""},
		{"excludeIps beyond the limit", `cidrBlock: 10.1.0.0/16, excludeIps: [` + strings.Repeat("10.1.0.2,", 1024) + `10.1.0.2]`, "must have at most 1024 items"},

		{"empty strings and false", `cidrBlock: 10.1.0.0/16, gateway: "", vlan: "", vpc: "", protocol: "", gatewayType: "", externalEgressGateway: "", u2oInterconnectionIP: "", default: false, excludeIps: [], vips: []`, ""},
		{"protocol", `cidrBlock: 10.1.0.0/16, protocol: ipv4`, "Unsupported value"},
		{"gatewayType", `cidrBlock: 10.1.0.0/16, gatewayType: central`, "Unsupported value"},
		{"named as its vpc", `cidrBlock: 10.1.0.0/16, vpc: blue`, "must not have the name of its vpc"},
		{"allowSubnets", `cidrBlock: 10.1.0.0/16, private: true, allowSubnets: [10.2.0.0/16, "fd00::/64"]`, ""},
		{"allowSubnets with an address", `cidrBlock: 10.1.0.0/16, allowSubnets: [10.2.0.1]`, "must be a CIDR"},
		{"MTU", `cidrBlock: 10.1.0.0/16, mtu: 600`, ""},
		{"MTU too small for IPv6", `cidrBlock: "10.1.0.0/16,fd00::/64", mtu: 1279`, "at least 1280"},
		{"MTU of IPv6", `cidrBlock: "fd00::/64", mtu: 1280`, ""},
		{"MTU left alone", `cidrBlock: "fd00::/64", mtu: 0`, ""},
		{"ACL", `cidrBlock: 10.1.0.0/16, acls: [{direction: from-lport, priority: 32767, match: ip4, action: allow-related}]`, ""},
		{"ACL beyond priorities", `cidrBlock: 10.1.0.0/16, acls: [{direction: from-lport, priority: 32768, match: ip4, action: drop}]`, "less than or equal to 32767"},
		{"unknown field", `cidrBlock: 10.1.0.0/16, gatway: 10.1.0.1`, "unknown field spec.gatway"},

		{"egress gateway", `cidrBlock: 10.1.0.0/16, externalEgressGateway: 192.0.2.1`, ""},
		{"egress gateway with NAT", `cidrBlock: 10.1.0.0/16, externalEgressGateway: 192.0.2.1, natOutgoing: true`, "exclude each other"},
		{"three egress gateways", `cidrBlock: 10.1.0.0/16, externalEgressGateway: "192.0.2.1,192.0.2.2,192.0.2.3"`, "one or two IP addresses"},
		{"egress gateway of another family", `cidrBlock: 10.1.0.0/16, externalEgressGateway: "fd00::1"`, "of an address family of cidrBlock"},
		{"NAT rules of one family", `cidrBlock: 10.1.0.0/16, natOutgoingPolicyRules: [{action: nat, match: {srcIPs: "10.1.0.1,10.1.0.2", dstIPs: 192.0.2.0/24}}]`, ""},
		{"NAT rules of two families", `cidrBlock: 10.1.0.0/16, natOutgoingPolicyRules: [{action: nat, match: {srcIPs: 10.1.0.1, dstIPs: "fd00::/64"}}]`, "one address family"},

		{"MAC only", `vlan: v7, protocol: Mac`, ""},
		{"MAC only, but a gateway", `vlan: v7, gateway: 10.1.0.1`, "a subnet without cidrBlock has no addresses"},
		{"MAC only, but excludeIps", `vlan: v7, excludeIps: [10.1.0.1]`, "a subnet without cidrBlock has no addresses"},
		{"MAC only, but vips", `vlan: v7, vips: [10.1.0.1]`, "a subnet without cidrBlock has no addresses"},
		{"logical gateway", `cidrBlock: 10.1.0.0/16, vlan: v7, logicalGateway: true`, ""},
		{"logical gateway and u2o", `cidrBlock: 10.1.0.0/16, vlan: v7, logicalGateway: true, u2oInterconnection: true`, "exclude each other"},
		{"overlayOnlyRouting", `cidrBlock: 10.1.0.0/16, vlan: v7, u2oInterconnection: true, u2oFeatures: {overlayOnlyRouting: true}`, ""},
		{"overlayOnlyRouting alone", `cidrBlock: 10.1.0.0/16, vlan: v7, u2oFeatures: {overlayOnlyRouting: true}`, "needs u2oInterconnection and a vlan"},
		{"u2o address", `cidrBlock: 10.1.0.0/16, vlan: v7, u2oInterconnection: true, u2oInterconnectionIP: 10.1.0.9`, ""},
		{"u2o address outside", `cidrBlock: 10.1.0.0/16, vlan: v7, u2oInterconnectionIP: 10.2.0.9`, "u2oInterconnectionIP must lie in cidrBlock"},
		{"u2o address is the gateway", `cidrBlock: 10.1.0.0/16, vlan: v7, gateway: 10.1.0.9, u2oInterconnectionIP: 10.1.0.9`, "must differ from gateway"},
		{"vips", `cidrBlock: "10.1.0.0/16,fd00::/64", vips: [10.1.0.9, "fd00::9"]`, ""},
		{"vips outside", `cidrBlock: 10.1.0.0/16, vips: [10.2.0.9]`, "vips must lie in cidrBlock"},
	})
}

func TestVpcRules(t *testing.T) {
	judgeAll(t, "vpcs", "Vpc", []verdict{
		{"nothing", ``, ""},
		{"static route", `staticRoutes: [{cidr: 0.0.0.0/0, nextHopIP: 10.1.0.2, policy: policyDst}]`, ""},
		{"static route to one address", `staticRoutes: [{cidr: 10.0.0.1, nextHopIP: 10.1.0.2}]`, ""},
		{"static route to a name", `staticRoutes: [{cidr: default, nextHopIP: 10.1.0.2}]`, "must be a CIDR or an IP address"},
		{"static route by a name", `staticRoutes: [{cidr: 0.0.0.0/0, nextHopIP: router}]`, "must be an IP address"},
		{"static route by port", `staticRoutes: [{cidr: 0.0.0.0/0, policy: policyPort}]`, "Unsupported value"},
		{"policy route", `policyRoutes: [{priority: 10, match: ip4, action: reroute, nextHopIP: "10.1.0.2,10.1.0.3"}]`, ""},
		{"policy route that drops", `policyRoutes: [{priority: 10, match: ip4, action: drop}]`, ""},
		{"policy route to nowhere", `policyRoutes: [{priority: 10, match: ip4, action: reroute}]`, "action reroute needs nextHopIP"},
		{"policy route to a name", `policyRoutes: [{priority: 10, match: ip4, action: reroute, nextHopIP: router}]`, "should match"},
		{"policy route beyond priorities", `policyRoutes: [{priority: 32768, match: ip4, action: drop}]`, "less than or equal to 32767"},
		{"peering", `vpcPeerings: [{remoteVpc: red, localConnectIP: 169.254.0.1/30}]`, ""},
		{"peering without a length", `vpcPeerings: [{remoteVpc: red, localConnectIP: 169.254.0.1}]`, "with a prefix length"},
		{"BFD port", `bfdPort: {enabled: true, ip: "10.1.0.4,fd00::4"}`, ""},
		{"BFD port at a name", `bfdPort: {enabled: true, ip: router}`, "must be an IP address"},
	})
}

func TestIPRules(t *testing.T) {
	judgeAll(t, "ips", "IP", []verdict{
		{"nothing", ``, ""},
		{"both families", `ipAddress: "10.1.0.5,fd00::5", v4IpAddress: 10.1.0.5, v6IpAddress: "fd00::5", macAddress: "0A:58:0a:01:00:05"`, ""},
		{"without MAC", `v4IpAddress: 10.1.0.5, macAddress: "", v6IpAddress: ""`, ""},
		{"IPv6 for IPv4", `v4IpAddress: "fd00::5"`, "must be an IPv4 address"},
		{"IPv4 for IPv6", `v6IpAddress: 10.1.0.5`, "must be an IPv6 address"},
		{"no address", `ipAddress: web-0`, "must be an IP address"},
		{"MAC with dashes", `macAddress: 0a-58-0a-01-00-05`, "should match"},
	})
}

// TestIPChanges: what a port and a pod's interface stand on stays as it is; what
// a user left open is filled in, in whatever way its text is written.
func TestIPChanges(t *testing.T) {
	server := newServer(t, "ips")
	manifest := func(spec string) string {
		return fmt.Sprintf("{apiVersion: kubeovn.io/v1, kind: IP, metadata: {name: web-0.shop}, spec: {%s}}", spec)
	}
	const full = `podName: web-0, namespace: shop, podType: StatefulSet, subnet: blue, nodeName: n1, ipAddress: "10.1.0.5,fd00::5", v4IpAddress: 10.1.0.5, v6IpAddress: "fd00::5", macAddress: "0a:00:00:00:00:05"`
	for _, c := range []struct{ name, from, to, refusal string }{
		{"nothing", full, full, ""},
		{"another node", full, strings.Replace(full, "n1", "n2", 1), ""},
		{"filled in", `subnet: blue`, `subnet: blue, ipAddress: 10.1.0.5, v4IpAddress: 10.1.0.5, macAddress: "0a:00:00:00:00:05"`, ""},
		{"filled in where it was empty", `subnet: blue, v4IpAddress: "", macAddress: ""`, `subnet: blue, v4IpAddress: 10.1.0.5, macAddress: "0a:00:00:00:00:05"`, ""},
		{"spelled as we do", `subnet: blue, v6IpAddress: "FD00:0::5", ipAddress: "FD00:0::5", macAddress: "0A:00:00:00:00:05"`, `subnet: blue, v6IpAddress: "fd00::5", ipAddress: "fd00::5", macAddress: "0a:00:00:00:00:05"`, ""},
		{"in our order", `subnet: blue, ipAddress: "fd00::5,10.1.0.5"`, `subnet: blue, ipAddress: "10.1.0.5,fd00::5"`, ""},
		{"another IPv4 address", full, strings.Replace(full, "v4IpAddress: 10.1.0.5", "v4IpAddress: 10.1.0.6", 1), "v4IpAddress cannot be changed"},
		{"another IPv6 address", full, strings.Replace(full, `v6IpAddress: "fd00::5"`, `v6IpAddress: "fd00::6"`, 1), "v6IpAddress cannot be changed"},
		{"no IPv4 address", full, strings.Replace(full, "v4IpAddress: 10.1.0.5, ", "", 1), "v4IpAddress cannot be changed"},
		{"another address in the old field", full, strings.Replace(full, "10.1.0.5,", "10.1.0.6,", 1), "ipAddress cannot be changed"},
		{"another MAC", full, strings.Replace(full, "00:05", "00:06", 1), "macAddress cannot be changed"},
		{"another subnet", full, strings.Replace(full, "blue", "red", 1), "subnet cannot be changed"},
		{"another pod", full, strings.Replace(full, "web-0", "web-1", 1), "podName cannot be changed"},
		{"another namespace", full, strings.Replace(full, "shop", "lab", 1), "namespace cannot be changed"},
		{"another type", full, strings.Replace(full, "StatefulSet", "VirtualMachine", 1), "podType cannot be changed"},
		{"nothing at all", full, ``, "cannot be changed"},
		{"no spec", full, "none", "spec cannot be taken away"},
	} {
		to := manifest(c.to)
		if c.to == "none" {
			to = "{apiVersion: kubeovn.io/v1, kind: IP, metadata: {name: web-0.shop}}"
		}
		got := server.judgeChange(t, manifest(c.from), to)
		if (c.refusal == "") != (got == "") || !strings.Contains(got, c.refusal) {
			t.Errorf("%s: answered %q, want %q", c.name, got, c.refusal)
		}
	}
}
