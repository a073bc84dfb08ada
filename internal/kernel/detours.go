package kernel

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hawser/internal/delta"
	"hawser/internal/host"
)

// setDetours brings the routes of the detours' table, and the rules that lead
// there, to what is wanted. Both carry our protocol; others' are left alone. A
// route is there before its rule and goes after it, so that no packet meets a
// rule without a route.
func (w *work) setDetours(want []host.Detour) {
	have, err := w.ownDetours()
	if err != nil {
		w.errs = append(w.errs, err)
		return
	}
	wanted := map[string]host.Detour{}
	for _, detour := range want {
		wanted[everywhere(detour.Gateway).String()] = detour
	}
	ruled, err := ownRules(w.handle)
	if err != nil {
		w.errs = append(w.errs, err)
		return
	}
	todo := delta.Diff(have, wanted, func(have, want host.Detour) bool { return have == want })
	for _, change := range todo.Change {
		todo.Add = append(todo.Add, change.Want)
	}
	for _, detour := range todo.Add {
		if _, ok := w.link(detour.Link); ok {
			w.done(w.handle.RouteReplace(asDetour(detour, w.links)), "set detour by %s", detour.Gateway)
		}
	}
	for family := range familiesOf(wanted) {
		if _, there := ruled[family]; !there {
			w.done(w.handle.RuleAdd(detourRule(family)), "add rule for detours")
		}
	}
	for family, rule := range ruled {
		if _, still := familiesOf(wanted)[family]; !still {
			w.done(w.handle.RuleDel(&rule), "delete rule for detours")
		}
	}
	for _, detour := range todo.Remove {
		w.done(w.handle.RouteDel(asDetour(detour, w.links)), "delete detour by %s", detour.Gateway)
	}
}

// ownDetours reads them by their destination, which is everywhere in a family.
func (w *work) ownDetours() (map[string]host.Detour, error) {
	names := map[int]string{}
	for name, link := range w.links {
		names[link.Attrs().Index] = name
	}
	routes, err := w.routes.list(host.DetourTable, host.RouteProtocol)
	if err != nil {
		return nil, err
	}
	found := map[string]host.Detour{}
	for _, route := range routes {
		found[route.destination.String()] = host.Detour{Link: names[route.linkIndex], Gateway: route.gateway}
	}
	return found, nil
}

// ownRules reads by family which of our rules are there.
func ownRules(handle *netlink.Handle) (map[int]netlink.Rule, error) {
	found := map[int]netlink.Rule{}
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		rules, err := dump(func() ([]netlink.Rule, error) { return handle.RuleList(family) })
		if err != nil {
			return nil, fmt.Errorf("list routing rules: %w", err)
		}
		for _, rule := range rules {
			if rule.Protocol == host.RouteProtocol && rule.Table == host.DetourTable {
				rule.Family = family
				found[family] = rule
			}
		}
	}
	return found, nil
}

func detourRule(family int) *netlink.Rule {
	mask := uint32(host.DetourMark)
	rule := netlink.NewRule()
	rule.Family, rule.Table, rule.Priority, rule.Protocol = family, host.DetourTable, host.DetourPriority, host.RouteProtocol
	rule.Mark, rule.Mask = host.DetourMark, &mask
	return rule
}

func asDetour(detour host.Detour, links map[string]netlink.Link) *netlink.Route {
	route := &netlink.Route{
		Dst: asNet(everywhere(detour.Gateway)), Gw: detour.Gateway.AsSlice(),
		Protocol: host.RouteProtocol, Table: host.DetourTable,
	}
	if link, ok := links[detour.Link]; ok {
		route.LinkIndex = link.Attrs().Index
	}
	return route
}

func familiesOf(detours map[string]host.Detour) map[int]struct{} {
	families := map[int]struct{}{}
	for _, detour := range detours {
		family := unix.AF_INET
		if detour.Gateway.Is6() {
			family = unix.AF_INET6
		}
		families[family] = struct{}{}
	}
	return families
}

// everywhere is the destination of a default route in an address' family.
func everywhere(like netip.Addr) netip.Prefix {
	if like.Is4() {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
}
