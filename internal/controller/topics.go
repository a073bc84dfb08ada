package controller

import (
	"net/netip"
	"slices"

	"hawser/internal/controller/claim"
	"hawser/internal/ipam"
	"hawser/internal/logical"
)

// The topics of the waiting room: what somebody may wait for.
func topicRows(owner logical.Owner) string { return "rows of " + owner.String() }

// topicNetworks changes with every Subnet that is realised: a new one may be
// what a pod waits for.
const topicNetworks = "networks"

func topicNetwork(subnet string) string { return "network " + subnet }
func topicSpace(subnet string) string   { return "space of " + subnet }
func topicAddress(subnet string, addr netip.Addr) string {
	return "address " + addr.String() + " of " + subnet
}

// topicsOf is what somebody who does not get what he wants of a subnet waits
// for: that one of the addresses that he named is freed, or else any.
func topicsOf(source claim.Source) []string {
	named := slices.Concat(source.Want.Addresses, slices.Concat(source.Want.Candidates...))
	if len(named) == 0 {
		return []string{topicSpace(source.Subnet)}
	}
	topics := make([]string, len(named))
	for i, addr := range named {
		topics[i] = topicAddress(source.Subnet, addr)
	}
	return topics
}

// freed tells those who wait for addresses, and whoever counts them.
func (f *Fabric) freed(subnet string, addresses []netip.Addr) {
	for _, addr := range addresses {
		f.room.Change(topicAddress(subnet, addr))
	}
	f.room.ChangeFor(topicSpace(subnet), 1)
}

// topicsOfLost is what somebody waits for whose object exists but has lost.
func (f *Fabric) topicsOfLost(name string) []string {
	ip, ok := f.Claims.Book.Get(name)
	if !ok {
		return nil
	}
	return topicsOf(claim.Source{Subnet: ip.Spec.Subnet, Want: ipam.Request{Addresses: claim.LeaseOf(ip).Addresses}})
}
