package overlay

import (
	kubeovnv1 "hawser/api/v1"
	"hawser/internal/plan"
	"net/netip"
)

// Surroundings is what a Subnet must not clash with.
type Surroundings struct {
	Subnets []*kubeovnv1.Subnet // may contain the subnet itself
	Vpcs    []string            // names
	NodeIPs []netip.Addr        // InternalIPs
}

// Check compares a Subnet with what else there is in the cluster. Of two that
// overlap the one that is not realised yet loses, else the younger.
func Check(c Cluster, s *kubeovnv1.Subnet, around Surroundings) []plan.Problem { panic("skeleton") }
