package overlay

import "net/netip"

// Cluster is the configuration that all planners share.
type Cluster struct {
	Vpc           string         // default VPC, "ovn-cluster"
	DefaultSubnet string         // "ovn-default"
	JoinSubnet    string         // "join"
	ServiceCIDRs  []netip.Prefix // where ClusterIPs come from
	APIServers    []netip.Addr   // ClusterIPs of service kubernetes
	// DefaultProvider is the ProviderNetwork of a Vlan that names none.
	DefaultProvider string
}
