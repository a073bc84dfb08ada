package kernel

import (
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hawser/internal/delta"
	"hawser/internal/host"
)

// setRoutes brings the routes of our protocol in the main table to what is
// wanted. A route to the same destination that somebody else set is left
// alone: the kernel refuses ours, and the error says which.
func (w *work) setRoutes(want []host.Route) {
	have, err := w.ownRoutes()
	if err != nil {
		w.errs = append(w.errs, err)
		return
	}
	wanted := make(map[string]host.Route, len(want))
	for _, route := range want {
		wanted[route.Prefix.String()] = route
	}
	todo := delta.Diff(have, wanted, func(have, want host.Route) bool { return have == want })
	for _, route := range todo.Remove {
		w.done(w.handle.RouteDel(w.asRoute(route)), "delete route to %s", route.Prefix)
	}
	for _, route := range todo.Change {
		if _, ok := w.link(route.Want.Link); ok {
			w.done(w.handle.RouteReplace(w.asRoute(route.Want)), "change route to %s", route.Want.Prefix)
		}
	}
	for _, route := range todo.Add {
		if _, ok := w.link(route.Link); ok {
			w.done(w.handle.RouteAdd(w.asRoute(route)), "add route to %s by %s", route.Prefix, route.Link)
		}
	}
}

// ownRoutes reads the routes of our protocol by destination.
func (w *work) ownRoutes() (map[string]host.Route, error) {
	names := map[int]string{}
	for name, link := range w.links {
		names[link.Attrs().Index] = name
	}
	routes, err := w.routes.list(unix.RT_TABLE_MAIN, host.RouteProtocol)
	if err != nil {
		return nil, err
	}
	found := make(map[string]host.Route, len(routes))
	for _, route := range routes {
		found[route.destination.String()] = host.Route{
			Link: names[route.linkIndex], Prefix: route.destination, Gateway: route.gateway, Source: route.source,
		}
	}
	return found, nil
}

func (w *work) asRoute(route host.Route) *netlink.Route {
	out := &netlink.Route{
		Dst: asNet(route.Prefix), Gw: route.Gateway.AsSlice(), Src: route.Source.AsSlice(),
		Protocol: host.RouteProtocol, Table: unix.RT_TABLE_MAIN,
	}
	if link, ok := w.links[route.Link]; ok {
		out.LinkIndex = link.Attrs().Index
	}
	if !route.Gateway.IsValid() && route.Prefix.Addr().Is4() {
		out.Scope = netlink.SCOPE_LINK
	}
	return out
}
