package overlay

import (
	"net/netip"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/ipam"
	"hawser/internal/plan"
)

// Network is a Subnet's spec, read once: defaults filled in, host bits masked,
// IPv4 before IPv6.
type Network struct {
	Name         string
	Vpc          string
	Provider     string
	Prefixes     []netip.Prefix
	Gateways     []netip.Addr // one for each prefix, in the same order
	Excludes     []ipam.Range
	Private      bool
	AllowSubnets []netip.Prefix
	NatOutgoing  bool
	MTU          int // 0: what the tunnel leaves
}

// Parse reads a Subnet. With Problems the Network is not fit to be realised;
// what could be read of it is there nevertheless.
func Parse(c Cluster, s *kubeovnv1.Subnet) (Network, []plan.Problem) { panic("skeleton") }

// Space is what package ipam has to know of the network.
func (n Network) Space() ipam.Subnet { panic("skeleton") }

// Defaults returns the spec fields, by JSON name, that the controller fills by
// server-side apply: those that the user left empty (gateway, vpc, provider,
// protocol, gatewayType). It is empty when nothing is to be filled.
func Defaults(c Cluster, s *kubeovnv1.Subnet) map[string]any { panic("skeleton") }
