package underlay

import (
	"cmp"
	"slices"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/logical"
	"hawser/internal/plan"
	"hawser/internal/plan/overlay"
)

// VlanOwner is how problems call a Vlan. It has no rows.
func VlanOwner(name string) logical.Owner { return logical.Owner{Kind: "Vlan", Name: name} }

// Landscape is the VLANs and provider networks that there are.
type Landscape struct {
	Cluster  overlay.Cluster
	Vlans    []*kubeovnv1.Vlan
	Networks []*kubeovnv1.ProviderNetwork
}

// Leg reads a Vlan: which tag on which provider network. With problems it is
// not to be used. What is being deleted counts while it is there: it waits for
// those who use it.
func (l Landscape) Leg(vlan *kubeovnv1.Vlan) (overlay.Localnet, []plan.Problem) {
	c := checker{object: VlanOwner(vlan.Name)}
	leg := l.read(vlan)
	if leg.VLAN > 4094 {
		c.report(plan.Malformed, "id %d: a VLAN has a number from 1 to 4094, or 0 for no tag", leg.VLAN)
	}
	if !slices.ContainsFunc(l.Networks, func(pn *kubeovnv1.ProviderNetwork) bool {
		return pn.Name == leg.Provider
	}) {
		c.report(plan.UnknownProvider, "provider network %q does not exist", leg.Provider)
	}
	if rival := l.rival(vlan, leg); rival != "" {
		c.report(plan.Overlap, "vlan %s has id %d on provider network %s already; let subnets name that one", rival, leg.VLAN, leg.Provider)
	}
	return leg, c.problems
}

// read fills in what the contract lets users leave out.
func (l Landscape) read(vlan *kubeovnv1.Vlan) overlay.Localnet {
	return overlay.Localnet{
		Provider: cmp.Or(vlan.Spec.Provider, l.Cluster.DefaultProvider),
		VLAN:     cmp.Or(vlan.Spec.ID, vlan.Spec.VlanID),
	}
}

// rival is the Vlan that had the same number first, or nothing. Traffic without
// a tag may have several.
func (l Landscape) rival(vlan *kubeovnv1.Vlan, leg overlay.Localnet) string {
	if leg.VLAN == 0 {
		return ""
	}
	var names []string
	for _, other := range l.Vlans {
		if other.Name != vlan.Name && l.read(other) == leg && vlanPrecedes(other, vlan) {
			names = append(names, other.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return slices.Min(names)
}

// InConflict tells whether problems are about a rival.
func InConflict(problems []plan.Problem) bool {
	return slices.ContainsFunc(problems, func(p plan.Problem) bool { return p.Reason == plan.Overlap })
}

func vlanPrecedes(a, b *kubeovnv1.Vlan) bool {
	return precedes(a, b, accepted(a.Status.Conditions, a.Generation), accepted(b.Status.Conditions, b.Generation))
}

// VlansOf names the Vlans of a provider network, sorted.
func (l Landscape) VlansOf(network string) []string {
	var names []string
	for _, vlan := range l.Vlans {
		if l.read(vlan).Provider == network {
			names = append(names, vlan.Name)
		}
	}
	slices.Sort(names)
	return names
}

// Connect finds the VLAN that a network's Subnet names and puts the network
// there. A network of the overlay stays as it is.
func (l Landscape) Connect(n overlay.Network) (overlay.Network, []plan.Problem) {
	if n.Vlan == "" {
		return n, nil
	}
	c := checker{object: overlay.SubnetOwner(n.Name)}
	i := slices.IndexFunc(l.Vlans, func(vlan *kubeovnv1.Vlan) bool { return vlan.Name == n.Vlan })
	if i < 0 {
		c.report(plan.UnknownVlan, "vlan %s does not exist", n.Vlan)
		return n, c.problems
	}
	leg, problems := l.Leg(l.Vlans[i])
	for _, problem := range problems {
		c.report(problem.Reason, "vlan %s: %s", n.Vlan, problem.Message)
	}
	n.Localnet = leg
	return n, c.problems
}
