// Package overlay plans a node's part of the overlay network: its leg ovn0 in
// the join subnet, the routes and the masquerading behind it, and where its
// tunnels end.
//
//	kernel datapath                     userspace datapath
//
//	pods ── br-int ── ovn0 ── node      pods ── br-int ── ovn0 ── node
//	          │                                   │
//	        geneve, from the address             geneve, from an address of its own
//	        that the NIC has                     on br-encap ── hwencap, macvlan of the NIC
//
// It is pure: API objects and a snapshot of the host in, the desired host out.
package overlay

import (
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
	"hawser/internal/logical"
	"hawser/internal/plan"
)

// The reasons of this package's problems, all of them about the Node.
const (
	TunnelInterfaceNotFound plan.Reason = "TunnelInterfaceNotFound" // no NIC as named, or none with the node's IP
	TunnelAddressMissing    plan.Reason = "TunnelAddressMissing"    // the NIC has no address that tunnels can end at
	EncapAddressUnusable    plan.Reason = "EncapAddressUnusable"    // the range for userspace tunnels does not fit
	MTUTooSmall             plan.Reason = "MTUTooSmall"             // too little is left for IPv6
	ForwardingOff           plan.Reason = "ForwardingOff"           // IPv6 forwarding is off, and we must not switch it on
)

// Options are the agent's settings that the plan depends on.
type Options struct {
	Interface     string       // names and expressions of the tunnel's NIC; empty: that of the node's IP
	MTU           int          // of pods, in bytes; 0: what the tunnel leaves
	EncapChecksum bool         // UDP checksums on tunnel packets
	EncapCIDR     netip.Prefix // where userspace tunnels get their addresses from
	Vpc           string       // the default VPC
	JoinSubnet    string
}

// Input is all that the plan depends on.
type Input struct {
	Options   Options
	Node      *corev1.Node
	Nodes     []corev1.Node // all, this one among them
	Subnets   []kubeovnv1.Subnet
	Host      host.Snapshot
	Userspace bool // the datapath runs in ovs-vswitchd
}

// Result is the plan.
type Result struct {
	Desired host.Desired
	// PodMTU is that of pods' interfaces; 0 when it is not known where tunnels
	// end.
	PodMTU int
}

// Plan gives the node's desired state. It gives nil where so little is known
// that nothing may be changed: no more, and no less, than what there is already.
// A problem with the tunnel alone leaves the tunnel as it is.
func Plan(in Input) (*Result, []plan.Problem) {
	leg, problem := parseLeg(in.Node)
	if problem != nil {
		return nil, []plan.Problem{*problem}
	}
	var problems []plan.Problem
	tunnel, problem := planTunnel(in, leg)
	if problem != nil {
		tunnel = keepTunnel(in)
		problems = append(problems, *problem)
	}
	cluster := readCluster(in)
	desired := tunnel.desired
	leg.add(&desired, tunnel.podMTU)
	cluster.add(&desired, leg)
	desired.Network.Links = append(desired.Network.Links, hearing(in.Host)...)
	problems = append(problems, forwarding(in, leg, &desired)...)
	problems = append(problems, smallMTU(in, leg, tunnel.podMTU)...)
	return &Result{Desired: desired, PodMTU: tunnel.podMTU}, problems
}

// minimumIPv6MTU is what every IPv6 link has to carry (RFC 8200, section 5).
const minimumIPv6MTU = 1280

func smallMTU(in Input, leg leg, mtu int) []plan.Problem {
	if mtu == 0 || mtu >= minimumIPv6MTU || !leg.has6() {
		return nil
	}
	return []plan.Problem{*problemf(in.Node, MTUTooSmall,
		"pods get an MTU of %d, IPv6 needs %d: raise the MTU of the tunnel's NIC, or set --mtu", mtu, minimumIPv6MTU)}
}

// forwarding wants the node to forward packets, as Kubernetes does. A node that
// has its own IPv6 default route from a router advertisement is left alone: with
// forwarding on, the kernel drops it unless accept_ra is 2.
func forwarding(in Input, leg leg, desired *host.Desired) []plan.Problem {
	settings := &desired.Network.Sysctls
	if leg.has4() {
		*settings = append(*settings, host.Sysctl{Key: "net/ipv4/ip_forward", Value: "1"})
	}
	if !leg.has6() {
		return nil
	}
	if !in.Host.Forwards6 && len(in.Host.Advertised) > 0 {
		link := in.Host.Advertised[0]
		return []plan.Problem{*problemf(in.Node, ForwardingOff,
			"IPv6 forwarding is off and the default route of %s comes from a router advertisement: set net.ipv6.conf.%s.accept_ra=2 and net.ipv6.conf.all.forwarding=1", link, link)}
	}
	*settings = append(*settings, host.Sysctl{Key: "net/ipv6/conf/all/forwarding", Value: "1"})
	return nil
}

// hearing wants the pods' ends at the switch to be deaf that are not so from
// their making; each carries its owner as alias.
func hearing(snapshot host.Snapshot) []host.Link {
	var out []host.Link
	for _, link := range snapshot.Links {
		if strings.HasPrefix(link.Alias, "Pod/") && !link.Deaf {
			out = append(out, host.Link{Name: link.Name, Deaf: true})
		}
	}
	return out
}

func owner(node *corev1.Node) logical.Owner { return logical.Owner{Kind: "Node", Name: node.Name} }
