package overlay

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
	"hawser/internal/plan"
)

// What Geneve with OVN's option takes from the packet, the outer IP header
// included: 20 or 40 (IP) + 8 (UDP) + 8 (Geneve) + 8 (option) + 14 (inner
// Ethernet), rounded up as Kube-OVN does, so that both may share a cluster.
const (
	overhead4 = 100
	overhead6 = 120
)

// tunnel is the part of the plan that says where tunnels end.
type tunnel struct {
	desired host.Desired
	podMTU  int
}

// endpoint is a NIC and one of its addresses.
type endpoint struct {
	nic     host.Link
	address netip.Addr
}

func planTunnel(in Input, leg leg) (tunnel, *plan.Problem) {
	end, problem := findEndpoint(in)
	if problem != nil {
		return tunnel{}, problem
	}
	if in.Userspace {
		return userspaceTunnel(in, leg, end)
	}
	return kernelTunnel(in, end), nil
}

// kernelTunnel ends where the NIC's address is.
func kernelTunnel(in Input, end endpoint) tunnel {
	return tunnel{
		desired: host.Desired{ExternalIDs: encapIDs(in, end.address)},
		podMTU:  podMTU(in, end.nic.MTU, end.address),
	}
}

// encapIDs are ovn-controller's settings (ovn-controller(8)). The default has to
// be named too: without it, both ends of a tunnel choose differently.
func encapIDs(in Input, address netip.Addr) map[string]string {
	return map[string]string{
		"ovn-encap-type":       "geneve",
		"ovn-encap-ip":         address.String(),
		"ovn-encap-ip-default": address.String(),
		"ovn-encap-csum":       strconv.FormatBool(in.Options.EncapChecksum),
	}
}

func podMTU(in Input, nicMTU int, outer netip.Addr) int {
	if outer.Is6() {
		return cmp.Or(in.Options.MTU, nicMTU-overhead6)
	}
	return cmp.Or(in.Options.MTU, nicMTU-overhead4)
}

// findEndpoint chooses the tunnel's NIC: by the node's annotation, else by the
// agent's setting, else the one with the node's Kubernetes address.
func findEndpoint(in Input) (endpoint, *plan.Problem) {
	if wanted := in.Node.Annotations[kubeovnv1.AnnotationTunnelInterface]; wanted != "" {
		return namedEndpoint(in, wanted, "annotation "+kubeovnv1.AnnotationTunnelInterface)
	}
	if in.Options.Interface != "" {
		return namedEndpoint(in, in.Options.Interface, "--iface")
	}
	for _, address := range internalIPs(in.Node) {
		if have, ok := in.Host.Holder(address); ok {
			nic, _ := in.Host.Link(have.Link)
			return endpoint{nic: nic, address: address}, nil
		}
	}
	return endpoint{}, problemf(in.Node, TunnelInterfaceNotFound,
		"no interface has the node's InternalIP %s: correct kubelet's --node-ip, or name the tunnel's interface with --iface", addressList(in))
}

// namedEndpoint takes a comma-separated list. Exact names go before
// expressions, which have to match a whole name; of several interfaces the
// first that has an address is taken.
func namedEndpoint(in Input, wanted, where string) (endpoint, *plan.Problem) {
	nics, err := matching(in.Host.Links, wanted)
	if err != nil {
		return endpoint{}, problemf(in.Node, plan.Malformed, "%s: %v", where, err)
	}
	if len(nics) == 0 {
		return endpoint{}, problemf(in.Node, TunnelInterfaceNotFound, "%s: no interface of this node matches %q", where, wanted)
	}
	for _, nic := range nics {
		if address, ok := tunnelAddress(in, nic.Name); ok {
			return endpoint{nic: nic, address: address}, nil
		}
	}
	return endpoint{}, problemf(in.Node, TunnelAddressMissing,
		"%s: %s has no address that tunnels can end at (virtual addresses, /32 and /128, do not count)", where, nics[0].Name)
}

// matching lists the links that a list of names and expressions means, in the
// order of the list.
func matching(links []host.Link, wanted string) ([]host.Link, error) {
	var exact, byExpression []host.Link
	for _, part := range strings.Split(wanted, ",") {
		expression, err := regexp.Compile("^(?:" + strings.TrimSpace(part) + ")$")
		if err != nil {
			return nil, fmt.Errorf("%q is neither a name nor an expression: %w", part, err)
		}
		for _, link := range links {
			switch {
			case link.Name == strings.TrimSpace(part):
				exact = append(exact, link)
			case eligible(link) && expression.MatchString(link.Name):
				byExpression = append(byExpression, link)
			}
		}
	}
	return append(exact, byExpression...), nil
}

// eligible keeps expressions such as ".*" away from devices that carry pods.
func eligible(link host.Link) bool {
	return !link.Loopback && !host.IsOwn(link.Name) && link.Alias == "" && link.Name != host.IntegrationBridge
}

// tunnelAddress picks an address of a NIC: the node's own if it is there, else
// the first of the node's first family, else the first. Single addresses are
// virtual ones that may move to another node at any time.
func tunnelAddress(in Input, nic string) (netip.Addr, bool) {
	own := internalIPs(in.Node)
	var found []netip.Addr
	for _, address := range in.Host.Addresses {
		if address.Link != nic {
			continue
		}
		if slices.Contains(own, address.Prefix.Addr()) {
			return address.Prefix.Addr(), true
		}
		if !address.Prefix.IsSingleIP() {
			found = append(found, address.Prefix.Addr())
		}
	}
	if len(found) == 0 {
		return netip.Addr{}, false
	}
	for _, address := range found {
		if len(own) > 0 && address.Is6() == own[0].Is6() {
			return address, true
		}
	}
	return found[0], true
}

func addressList(in Input) string {
	var out []string
	for _, address := range internalIPs(in.Node) {
		out = append(out, address.String())
	}
	if len(out) == 0 {
		return "(none)"
	}
	return strings.Join(out, ", ")
}
