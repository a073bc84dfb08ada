package host

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// Text gives the desired state in a form for people and for golden files: a
// line for each thing, in the order in which they are applied. It is canonical:
// two states that mean the same have the same text.
func (d Desired) Text() string {
	var out strings.Builder
	lines(&out, d.Network.Links, Link.text)
	lines(&out, d.Confined, func(a Address) string { return "confined " + a.text() })
	lines(&out, slices.Collect(maps.Keys(d.ExternalIDs)), func(key string) string {
		return "open_vswitch " + key + "=" + d.ExternalIDs[key]
	})
	lines(&out, d.Switching.Bridges, Bridge.text)
	lines(&out, d.Switching.Ports, BridgePort.text)
	lines(&out, d.Network.Sysctls, func(s Sysctl) string { return "sysctl " + s.Key + "=" + s.Value })
	lines(&out, d.Network.Addresses, func(a Address) string { return "address " + a.text() })
	lines(&out, d.Network.Routes, Route.text)
	lines(&out, d.Network.Detours, func(d Detour) string { return "detour via " + d.Gateway.String() + " dev " + d.Link })
	out.WriteString(d.Filtering.text())
	if out.Len() == 0 {
		return "nothing\n"
	}
	return out.String()
}

func lines[T any](out *strings.Builder, words []T, text func(T) string) {
	all := make([]string, 0, len(words))
	for _, word := range words {
		all = append(all, text(word)+"\n")
	}
	slices.Sort(all)
	out.WriteString(strings.Join(all, ""))
}

func (l Link) text() string {
	out := "link " + l.Name
	if l.Kind != "" {
		out += fmt.Sprintf(" %s on %s", l.Kind, l.Parent)
	}
	if !l.MAC.IsZero() {
		out += " mac " + l.MAC.String()
	}
	if l.MTU != 0 {
		out += fmt.Sprintf(" mtu %d", l.MTU)
	}
	if l.NoARP {
		out += " noarp"
	}
	if l.Deaf {
		out += " deaf"
	}
	if l.Up {
		out += " up"
	}
	return out
}

func (a Address) text() string { return a.Prefix.String() + " on " + a.Link }

func (r Route) text() string {
	out := "route " + r.Prefix.String()
	if r.Gateway.IsValid() {
		out += " via " + r.Gateway.String()
	}
	out += " dev " + r.Link
	if r.Source.IsValid() {
		out += " src " + r.Source.String()
	}
	return out
}

func (b Bridge) text() string {
	return "bridge " + b.Name + fields("datapath", b.DatapathType, "fail-mode", b.FailMode, "mac", macText(b.MAC)) + flag("rstp", b.RSTP) +
		pairs("external_ids:", b.ExternalIDs) + pairs("other_config:", b.OtherConfig)
}

func (p BridgePort) text() string {
	return "port " + p.Name + fields("on", p.Bridge, "type", p.Type, "mac", macText(p.MAC), "mtu", nonZero(p.MTU), "tag", nonZero(p.Tag), "place", nonZero(p.Place),
		"bond", string(p.Mode), "of", strings.Join(slices.Sorted(slices.Values(p.Members)), ",")) + flag("protected", p.Protected) +
		pairs("external_ids:", p.ExternalIDs)
}

func (f Filtering) text() string {
	if f.Gateway == "" {
		return ""
	}
	var out strings.Builder
	out.WriteString("masquerade services of pods at " + f.Gateway + "\n")
	lines(&out, f.Sources, func(p netip.Prefix) string { return "masquerade outgoing from " + p.String() })
	lines(&out, f.Subnets, func(p netip.Prefix) string { return "masquerade nothing to subnet " + p.String() })
	lines(&out, f.Nodes, func(a netip.Addr) string { return "masquerade nothing to node " + a.String() })
	lines(&out, f.Private, PrivateSubnet.text)
	lines(&out, f.Underlay, func(p netip.Prefix) string { return "detour of services to " + p.String() })
	return out.String()
}

func (p PrivateSubnet) text() string {
	admits := make([]string, 0, len(p.Admits))
	for _, prefix := range p.Admits {
		admits = append(admits, prefix.String())
	}
	slices.Sort(admits)
	return "private " + p.Prefix.String() + " admits " + strings.Join(admits, " ")
}

// fields renders names and values by turns, those without a value left out.
func fields(namesAndValues ...string) string {
	out := ""
	for i := 0; i+1 < len(namesAndValues); i += 2 {
		if value := namesAndValues[i+1]; value != "" {
			out += " " + namesAndValues[i] + " " + value
		}
	}
	return out
}

func flag(name string, set bool) string {
	if set {
		return " " + name
	}
	return ""
}

func pairs(prefix string, values map[string]string) string {
	out := ""
	for _, key := range slices.Sorted(maps.Keys(values)) {
		out += " " + prefix + key + "=" + values[key]
	}
	return out
}

func macText(mac MAC) string {
	if mac.IsZero() {
		return ""
	}
	return mac.String()
}

func nonZero(number int) string {
	if number == 0 {
		return ""
	}
	return fmt.Sprint(number)
}
