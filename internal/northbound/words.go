package northbound

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/ovn-kubernetes/libovsdb/model"

	"hawser/internal/logical"
	"hawser/internal/northbound/nbdb"
)

// wish is a row that an owner wants, before it is known what the database has.
type wish struct {
	table  string
	key    string
	name   string // of rows that are found by name; empty for nameless ones
	parent place  // without id
	groups []string
	model  model.Model
}

func (w wish) label() string { return fmt.Sprintf("%s %q", w.table, w.key) }

// wishes translates a state word by word. It refuses words that contradict
// each other or name nothing.
func wishes(o logical.Owner, s logical.State) ([]wish, error) {
	var out []wish
	out = appendEach(out, s.Routers, func(w logical.Router) wish { return router(o, w) })
	out = appendEach(out, s.Switches, func(w logical.Switch) wish { return networkSwitch(o, w) })
	out = appendEach(out, s.PortGroups, func(w logical.PortGroup) wish { return portGroup(o, w) })
	out = appendEach(out, s.RouterPorts, func(w logical.RouterPort) wish { return routerPort(o, w) })
	out = appendEach(out, s.SwitchPorts, func(w logical.SwitchPort) wish { return switchPort(o, w) })
	out = appendEach(out, s.Policies, func(w logical.Policy) wish { return policy(o, w) })
	out = appendEach(out, s.StaticRoutes, func(w logical.StaticRoute) wish { return staticRoute(o, w) })
	out = appendEach(out, s.ACLs, func(w logical.ACL) wish { return acl(o, w) })
	return out, check(o, out)
}

func appendEach[W any](out []wish, words []W, translate func(W) wish) []wish {
	for _, w := range words {
		out = append(out, translate(w))
	}
	return out
}

func check(o logical.Owner, all []wish) error {
	seen := make(map[string]bool, len(all))
	for _, w := range all {
		id := w.table + "/" + w.key
		switch {
		case w.key == "" || (w.parent.table != "" && w.parent.name == ""):
			return &ConstraintError{Owner: o, Reason: fmt.Sprintf("%s has no name, or nothing to hang on", w.label())}
		case seen[id]:
			return &ConstraintError{Owner: o, Reason: w.label() + " is wanted twice"}
		}
		seen[id] = true
	}
	return nil
}

func router(o logical.Owner, r logical.Router) wish {
	return wish{
		table: nbdb.LogicalRouterTable, key: r.Name, name: r.Name,
		model: &nbdb.LogicalRouter{Name: r.Name, Options: r.Options, ExternalIDs: tags(o, nil)},
	}
}

func networkSwitch(o logical.Owner, s logical.Switch) wish {
	return wish{
		table: nbdb.LogicalSwitchTable, key: s.Name, name: s.Name,
		model: &nbdb.LogicalSwitch{Name: s.Name, OtherConfig: s.OtherConfig, ExternalIDs: tags(o, nil)},
	}
}

func portGroup(o logical.Owner, g logical.PortGroup) wish {
	return wish{
		table: nbdb.PortGroupTable, key: g.Name, name: g.Name,
		model: &nbdb.PortGroup{Name: g.Name, ExternalIDs: tags(o, g.ExternalIDs)},
	}
}

func routerPort(o logical.Owner, p logical.RouterPort) wish {
	on := place{table: nbdb.LogicalRouterTable, name: p.Router}
	return wish{
		table: nbdb.LogicalRouterPortTable, key: p.Name, name: p.Name, parent: on,
		model: &nbdb.LogicalRouterPort{
			Name: p.Name, MAC: p.MAC.String(), Networks: texts(p.Networks), Options: p.Options,
			ExternalIDs: tags(o, nil, parentKey, on.String()),
		},
	}
}

func switchPort(o logical.Owner, p logical.SwitchPort) wish {
	on := place{table: nbdb.LogicalSwitchTable, name: p.Switch}
	groups := slices.Compact(slices.Sorted(slices.Values(p.Groups)))
	ids := tags(o, p.ExternalIDs, parentKey, on.String())
	if len(groups) > 0 {
		ids[groupsKey] = strings.Join(groups, ",")
	}
	row := &nbdb.LogicalSwitchPort{
		Name: p.Name, Type: string(p.Type), Addresses: p.Addresses, PortSecurity: p.PortSecurity,
		Options: p.Options, ExternalIDs: ids,
	}
	if p.Tag != 0 {
		row.Tag = &p.Tag
	}
	return wish{table: nbdb.LogicalSwitchPortTable, key: p.Name, name: p.Name, parent: on, groups: groups, model: row}
}

func policy(o logical.Owner, p logical.Policy) wish {
	on := place{table: nbdb.LogicalRouterTable, name: p.Router}
	return wish{
		table: nbdb.LogicalRouterPolicyTable, key: fmt.Sprintf("%s/%d/%s", p.Router, p.Priority, p.Match), parent: on,
		model: &nbdb.LogicalRouterPolicy{
			Priority: p.Priority, Match: p.Match, Action: string(p.Action), Nexthops: texts(p.NextHops),
			ExternalIDs: tags(o, nil, parentKey, on.String()),
		},
	}
}

func staticRoute(o logical.Owner, r logical.StaticRoute) wish {
	on := place{table: nbdb.LogicalRouterTable, name: r.Router}
	return wish{
		table: nbdb.LogicalRouterStaticRouteTable, key: fmt.Sprintf("%s/%s/%s/%s", r.Router, r.Table, r.Prefix, r.NextHop), parent: on,
		model: &nbdb.LogicalRouterStaticRoute{
			RouteTable: r.Table, IPPrefix: r.Prefix.String(), Nexthop: r.NextHop.String(),
			ExternalIDs: tags(o, nil, parentKey, on.String()),
		},
	}
}

func acl(o logical.Owner, a logical.ACL) wish {
	var on place
	switch {
	case a.PortGroup != "" && a.Switch == "":
		on = place{table: nbdb.PortGroupTable, name: a.PortGroup}
	case a.PortGroup == "":
		on = place{table: nbdb.LogicalSwitchTable, name: a.Switch}
	default: // check refuses it
		on = place{table: nbdb.PortGroupTable}
	}
	return wish{
		table: nbdb.ACLTable, key: fmt.Sprintf("%s/%s/%d/%d/%s", on, a.Direction, a.Tier, a.Priority, a.Match), parent: on,
		model: &nbdb.ACL{
			Direction: a.Direction, Priority: a.Priority, Match: a.Match, Action: a.Action, Tier: a.Tier,
			ExternalIDs: tags(o, nil, parentKey, on.String()),
		},
	}
}

// tags makes the external_ids of a row. What identifies the row cannot be
// overridden by the word's own tags.
func tags(o logical.Owner, own map[string]string, more ...string) map[string]string {
	out := maps.Clone(own)
	if out == nil {
		out = map[string]string{}
	}
	delete(out, groupsKey)
	out[vendorKey], out[ownerKey] = vendor, o.String()
	for i := 0; i+1 < len(more); i += 2 {
		out[more[i]] = more[i+1]
	}
	return out
}

func texts[T netip.Addr | netip.Prefix](values []T) []string {
	out := make([]string, 0, len(values))
	for _, v := range values {
		out = append(out, any(v).(fmt.Stringer).String())
	}
	return out
}
