package logical

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Text gives the state in a form for people and for golden files: a block of
// lines per word, in the order of the fields of State. It is canonical: two
// states that mean the same have the same text, in whatever order their words,
// and the members of their sets, were put together. Only the order of policies
// says something: the one that is asked first comes first.
func (s State) Text() string {
	var out strings.Builder
	section(&out, s.Routers, Router.text, byText)
	section(&out, s.Switches, Switch.text, byText)
	section(&out, s.RouterPorts, RouterPort.text, byText)
	section(&out, s.SwitchPorts, SwitchPort.text, byText)
	section(&out, s.PortGroups, PortGroup.text, byText)
	section(&out, s.Policies, Policy.text, byPriority(Policy.place))
	section(&out, s.StaticRoutes, StaticRoute.text, byText)
	section(&out, s.ACLs, ACL.text, byPriority(ACL.place))
	if out.Len() == 0 {
		return "nothing\n"
	}
	return out.String()
}

// paragraph is one word with its text, so that each is rendered once.
type paragraph[W any] struct {
	word W
	text string
}

func section[W any](out *strings.Builder, words []W, text func(W) string, order func(a, b paragraph[W]) int) {
	paragraphs := make([]paragraph[W], 0, len(words))
	for _, w := range words {
		paragraphs = append(paragraphs, paragraph[W]{w, text(w)})
	}
	slices.SortFunc(paragraphs, order)
	for _, p := range paragraphs {
		out.WriteString(p.text)
	}
}

func byText[W any](a, b paragraph[W]) int { return strings.Compare(a.text, b.text) }

// byPriority puts what is asked earlier first: by the table a rule is in, then
// from the highest priority down.
func byPriority[W any](place func(W) (table string, priority int)) func(a, b paragraph[W]) int {
	return func(a, b paragraph[W]) int {
		tableA, priorityA := place(a.word)
		tableB, priorityB := place(b.word)
		return cmp.Or(
			strings.Compare(tableA, tableB),
			cmp.Compare(priorityB, priorityA),
			strings.Compare(a.text, b.text),
		)
	}
}

func (r Router) text() string {
	return "router " + r.Name + "\n" + pairs("options", r.Options)
}

func (s Switch) text() string {
	return "switch " + s.Name + "\n" + pairs("other_config", s.OtherConfig)
}

func (p RouterPort) text() string {
	networks := make([]string, 0, len(p.Networks))
	for _, n := range p.Networks {
		networks = append(networks, n.String())
	}
	return "router port " + p.Name + " on " + p.Router + "\n" +
		set("mac", p.MAC.String()) + set("networks", networks...) + pairs("options", p.Options)
}

func (p SwitchPort) text() string {
	tag := ""
	if p.Tag != 0 {
		tag = strconv.Itoa(p.Tag)
	}
	return "switch port " + p.Name + " on " + p.Switch + "\n" +
		set("type", string(p.Type)) + set("tag", tag) +
		set("addresses", quoted(p.Addresses)...) + set("port_security", quoted(p.PortSecurity)...) +
		pairs("options", p.Options) + pairs("external_ids", p.ExternalIDs) + set("groups", p.Groups...)
}

func (g PortGroup) text() string {
	return "port group " + g.Name + "\n" + pairs("external_ids", g.ExternalIDs)
}

func (p Policy) text() string {
	hops := make([]string, 0, len(p.NextHops))
	for _, h := range p.NextHops {
		hops = append(hops, h.String())
	}
	return fmt.Sprintf("policy on %s %d %q %s\n", p.Router, p.Priority, p.Match, p.Action) + set("nexthops", hops...)
}

func (p Policy) place() (string, int) { return p.Router, p.Priority }

func (r StaticRoute) text() string {
	table := ""
	if r.Table != "" {
		table = " table " + r.Table
	}
	return fmt.Sprintf("route on %s%s %s via %s\n", r.Router, table, r.Prefix, r.NextHop)
}

func (a ACL) text() string {
	return fmt.Sprintf("acl on %s %s tier %d %d %q %s\n", a.on(), a.Direction, a.Tier, a.Priority, a.Match, a.Action)
}

func (a ACL) place() (string, int) {
	return fmt.Sprintf("%s %s %d", a.on(), a.Direction, a.Tier), a.Priority
}

func (a ACL) on() string {
	if a.PortGroup != "" {
		return "port group " + a.PortGroup
	}
	return "switch " + a.Switch
}

// set renders an indented line of sorted members, or nothing if there are none.
func set(name string, members ...string) string {
	members = slices.Sorted(slices.Values(members))
	members = slices.DeleteFunc(members, func(m string) bool { return m == "" })
	if len(members) == 0 {
		return ""
	}
	return "    " + name + " " + strings.Join(members, " ") + "\n"
}

// pairs renders an indented line of key=value pairs, or nothing if there are none.
func pairs(name string, values map[string]string) string {
	var members []string
	for _, key := range slices.Sorted(maps.Keys(values)) {
		members = append(members, key+"="+values[key])
	}
	return set(name, members...)
}

func quoted(members []string) []string {
	out := make([]string, 0, len(members))
	for _, m := range members {
		out = append(out, strconv.Quote(m))
	}
	return out
}
