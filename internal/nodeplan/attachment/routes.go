package attachment

import (
	"fmt"
	"net/netip"
	"slices"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/cniwire"
	"hawser/internal/host"
)

// asked reads the routes that a pod's annotation asks for. What the kernel would
// refuse is refused here, with a reason.
func asked(notes map[string]string, addresses []netip.Prefix) ([]cniwire.Route, error) {
	list := notes[kubeovnv1.AnnotationRoutes]
	if list == "" {
		return nil, nil
	}
	out, err := cniwire.ParseRoutes(list)
	if err != nil {
		return nil, err
	}
	for _, route := range out {
		if err := usable(route, addresses); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func usable(route cniwire.Route, addresses []netip.Prefix) error {
	switch {
	case !slices.ContainsFunc(addresses, func(a netip.Prefix) bool { return a.Addr().Is4() == route.To.Addr().Is4() }):
		return fmt.Errorf("the pod has no address of the family of route %s", route.To)
	case !route.Via.IsValid():
		return nil
	case route.Via.Is4() != route.To.Addr().Is4():
		return fmt.Errorf("gateway %s is of another family than route %s", route.Via, route.To)
	case !slices.ContainsFunc(addresses, func(a netip.Prefix) bool { return a.Contains(route.Via) }):
		return fmt.Errorf("gateway %s of route %s is not in the pod's subnet", route.Via, route.To)
	}
	return nil
}

// routes gives the default routes and those that were asked for; one asked for
// without a gateway takes the subnet's. Of two to one destination the later
// holds, so that a pod can have another default route.
func routes(addresses []netip.Prefix, gateways []netip.Addr, asked []cniwire.Route) []host.Route {
	var out []host.Route
	for i, address := range addresses {
		if gateways[i].IsValid() {
			out = append(out, host.Route{Prefix: everywhere(address.Addr()), Gateway: gateways[i]})
		}
	}
	for _, r := range asked {
		via := r.Via
		if !via.IsValid() {
			via = sameFamily(r.To.Addr(), gateways)
		}
		out = slices.DeleteFunc(out, func(earlier host.Route) bool { return earlier.Prefix == r.To })
		out = append(out, host.Route{Prefix: r.To, Gateway: via})
	}
	return out
}

func everywhere(like netip.Addr) netip.Prefix {
	if like.Is4() {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
}
