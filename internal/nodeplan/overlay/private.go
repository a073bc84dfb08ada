package overlay

import (
	"net/netip"
	"slices"
	"strings"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
	"hawser/internal/ipam"
)

// addPrivate closes a subnet to all pods but its own and those that it allows.
// The nodes, which may come from their join addresses, are admitted in add.
func (c *cluster) addPrivate(spec kubeovnv1.SubnetSpec) {
	closed := parsePrefixes(spec.CIDRBlock)
	admits := append(slices.Clone(closed), parsePrefixes(strings.Join(spec.AllowSubnets, ","))...)
	if spec.Vlan != "" {
		closed = ofPods(closed, spec)
	}
	for _, prefix := range closed {
		subnet := host.PrivateSubnet{Prefix: prefix}
		for _, other := range admits {
			if other.Addr().Is4() == prefix.Addr().Is4() {
				subnet.Admits = append(subnet.Admits, other)
			}
		}
		c.private = append(c.private, subnet)
	}
}

// admitNodes gives the private subnets as they are once all subnets are known.
func (c cluster) admitNodes() []host.PrivateSubnet {
	var out []host.PrivateSubnet
	for _, subnet := range c.private {
		for _, join := range c.join {
			if join.Addr().Is4() == subnet.Prefix.Addr().Is4() {
				subnet.Admits = append(subnet.Admits, join)
			}
		}
		out = append(out, subnet)
	}
	slices.SortFunc(out, func(a, b host.PrivateSubnet) int { return comparePrefixes(a.Prefix, b.Prefix) })
	return out
}

// ofPods is what of an underlay subnet is ours to give. The rest of it are other
// hosts of the wire, whom a private subnet beside them does not close.
func ofPods(prefixes []netip.Prefix, spec kubeovnv1.SubnetSpec) []netip.Prefix {
	var others []ipam.Range
	for _, text := range append(slices.Clone(spec.ExcludeIPs), strings.Split(spec.Gateway, ",")...) {
		if other, err := ipam.ParseRange(text); err == nil {
			others = append(others, other)
		}
	}
	var out []netip.Prefix
	for _, prefix := range prefixes {
		out = append(out, without(prefix, others)...)
	}
	return out
}

// without is what of a prefix no range covers, in order.
func without(prefix netip.Prefix, ranges []ipam.Range) []netip.Prefix {
	whole, touched := ipam.RangeOf(prefix), false
	for _, r := range ranges {
		if r.Last.Less(whole.First) || whole.Last.Less(r.First) {
			continue
		}
		if !whole.First.Less(r.First) && !r.Last.Less(whole.Last) {
			return nil
		}
		touched = true
	}
	if !touched {
		return []netip.Prefix{prefix}
	}
	lower := netip.PrefixFrom(whole.First, prefix.Bits()+1)
	upper := netip.PrefixFrom(ipam.RangeOf(lower).Last.Next(), prefix.Bits()+1)
	return append(without(lower, ranges), without(upper, ranges)...)
}
