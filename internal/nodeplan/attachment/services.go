package attachment

import (
	"fmt"
	"net/netip"
	"slices"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
)

// servicesBy gives the routes of an underlay pod to Services: by an address that
// OVN answers for, on the link although no network of the pod has it
// (docs/decisions/0008).
func servicesBy(notes map[string]string, addresses []netip.Prefix) ([]host.Route, error) {
	networks, err := each(notes[kubeovnv1.AnnotationServiceCIDR], netip.ParsePrefix)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kubeovnv1.AnnotationServiceCIDR, err)
	}
	var out []host.Route
	for _, network := range networks {
		ofFamily := func(address netip.Prefix) bool { return address.Addr().Is4() == network.Addr().Is4() }
		if !slices.ContainsFunc(addresses, ofFamily) {
			continue
		}
		gateway := netip.MustParseAddr(kubeovnv1.ServiceGateway6)
		if network.Addr().Is4() {
			gateway = netip.MustParseAddr(kubeovnv1.ServiceGateway4)
			out = append(out, host.Route{Prefix: netip.PrefixFrom(gateway, gateway.BitLen())})
		}
		out = append(out, host.Route{Prefix: network, Gateway: gateway})
	}
	return out, nil
}
