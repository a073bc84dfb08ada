package northbound

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"hawser/internal/logical"
	"hawser/test/ovntest"
)

// memory is what the database should hold: the state of each owner.
type memory map[logical.Owner]logical.State

// everything puts the states of all owners together.
func (m memory) everything() (all logical.State) {
	for _, s := range m {
		all.Routers = append(all.Routers, s.Routers...)
		all.Switches = append(all.Switches, s.Switches...)
		all.RouterPorts = append(all.RouterPorts, s.RouterPorts...)
		all.SwitchPorts = append(all.SwitchPorts, s.SwitchPorts...)
		all.PortGroups = append(all.PortGroups, s.PortGroups...)
		all.Policies = append(all.Policies, s.Policies...)
		all.StaticRoutes = append(all.StaticRoutes, s.StaticRoutes...)
		all.ACLs = append(all.ACLs, s.ACLs...)
	}
	return all
}

// collect drops what hangs on a place that is gone, as the server does, and
// gives the owners whose ports lost a group.
func (m memory) collect() (lost []logical.Owner) {
	all := m.everything()
	hasRouter := func(name string) bool {
		return slices.ContainsFunc(all.Routers, func(r logical.Router) bool { return r.Name == name })
	}
	hasSwitch := func(name string) bool {
		return slices.ContainsFunc(all.Switches, func(s logical.Switch) bool { return s.Name == name })
	}
	hasGroup := func(name string) bool {
		return slices.ContainsFunc(all.PortGroups, func(g logical.PortGroup) bool { return g.Name == name })
	}
	for o, s := range m {
		s.RouterPorts = keep(s.RouterPorts, func(p logical.RouterPort) bool { return hasRouter(p.Router) })
		s.Policies = keep(s.Policies, func(p logical.Policy) bool { return hasRouter(p.Router) })
		s.StaticRoutes = keep(s.StaticRoutes, func(r logical.StaticRoute) bool { return hasRouter(r.Router) })
		s.SwitchPorts = keep(s.SwitchPorts, func(p logical.SwitchPort) bool { return hasSwitch(p.Switch) })
		s.ACLs = keep(s.ACLs, func(a logical.ACL) bool { return hasSwitch(a.Switch) || hasGroup(a.PortGroup) })
		for i, p := range s.SwitchPorts {
			left := keep(p.Groups, hasGroup)
			if s.SwitchPorts[i].Groups = left; len(left) < len(p.Groups) {
				lost = append(lost, o)
			}
		}
		m[o] = s
	}
	return lost
}

func keep[T any](all []T, which func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(all), func(v T) bool { return !which(v) })
}

// can tells whether all that a state hangs on is there.
func (m memory) can(o logical.Owner, s logical.State) bool {
	then := maps.Clone(m)
	then[o] = s
	then.collect()
	return then[o].Text() == s.Text()
}

var (
	parents = []logical.Owner{owner("Vpc", "v1"), owner("Vpc", "v2"), owner("Subnet", "s1"), owner("Subnet", "s2"), owner("Node", "n1"), owner("Node", "n2")}
	pods    = []logical.Owner{pod(1), pod(2), pod(3), pod(4)}
)

// randomState is something that an owner of the kind might want.
func randomState(r *rand.Rand, o logical.Owner) (s logical.State) {
	if r.IntN(4) == 0 {
		return s
	}
	vpc, subnet := fmt.Sprintf("v%d", 1+r.IntN(2)), fmt.Sprintf("s%d", 1+r.IntN(2))
	switch o.Kind {
	case "Vpc":
		s.Routers = []logical.Router{{Name: o.Name, Options: randomPairs(r)}}
		s.StaticRoutes = []logical.StaticRoute{{Router: o.Name, Prefix: netip.MustParsePrefix("0.0.0.0/0"), NextHop: randomAddr(r)}}
	case "Subnet":
		s.Switches = []logical.Switch{{Name: o.Name, OtherConfig: randomPairs(r)}}
		s.RouterPorts = []logical.RouterPort{{Router: vpc, Name: "lrp-" + o.Name, MAC: mac, Networks: prefixes("10.0.0.1/24", "fd00::1/64")[:1+r.IntN(2)]}}
		s.SwitchPorts = []logical.SwitchPort{{Switch: o.Name, Name: o.Name + "-r", Type: logical.PortRouter, Addresses: []string{"router"}, Options: map[string]string{"router-port": "lrp-" + o.Name}}}
		for i := range r.IntN(3) {
			s.ACLs = append(s.ACLs, logical.ACL{Switch: o.Name, Direction: "to-lport", Priority: i, Match: "ip", Action: []string{"drop", "allow"}[r.IntN(2)]})
		}
	case "Node":
		s.PortGroups = []logical.PortGroup{{Name: "g." + o.Name}}
		for i := range r.IntN(3) {
			s.Policies = append(s.Policies, logical.Policy{Router: vpc, Priority: 100 + i, Match: "ip4.src == $" + o.Name, Action: logical.PolicyReroute, NextHops: []netip.Addr{randomAddr(r)}})
		}
	case "Pod":
		p := logical.SwitchPort{Switch: subnet, Name: o.Name, Addresses: []string{"unknown"}, Options: randomPairs(r), Tag: r.IntN(3)}
		for _, n := range []string{"g.n1", "g.n2"} {
			if r.IntN(2) == 0 {
				p.Groups = append(p.Groups, n)
			}
		}
		s.SwitchPorts = []logical.SwitchPort{p}
	}
	return s
}

func randomPairs(r *rand.Rand) map[string]string {
	out := map[string]string{}
	for i := range r.IntN(3) {
		out[fmt.Sprint("k", i)] = fmt.Sprint(r.IntN(3))
	}
	return out
}

func randomAddr(r *rand.Rand) netip.Addr { return netip.AddrFrom4([4]byte{10, 9, 0, byte(r.IntN(3))}) }

// TestRandomApplies runs random sequences of Apply, by several owners at once,
// against a model of what the database should hold.
func TestRandomApplies(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			randomApplies(t, rand.New(rand.NewPCG(seed, 7)))
		})
	}
}

func randomApplies(t *testing.T, r *rand.Rand) {
	db := ovntest.Northbound(t)
	c := dial(t, db)
	m := memory{}
	for step := range 120 {
		// Parents one at a time, pods all at once: they share a transaction.
		if step%3 != 0 {
			o := parents[r.IntN(len(parents))]
			m.step(t, c, o, randomState(r, o))
		} else {
			m.together(t, c, r)
		}
		for _, o := range m.collect() {
			m.step(t, c, o, m[o]) // the port's tag still names the lost group
		}
		if step%10 == 9 {
			m.compare(t, c, db)
		}
	}
}

func (m memory) step(t *testing.T, c *Client, o logical.Owner, s logical.State) {
	t.Helper()
	_, err := c.Apply(t.Context(), o, s)
	m.learn(t, o, s, err)
}

func (m memory) learn(t *testing.T, o logical.Owner, s logical.State, err error) {
	t.Helper()
	possible := m.can(o, s)
	switch {
	case possible && err == nil:
		m[o] = s
	case possible || !errors.Is(err, ErrParentMissing):
		t.Fatalf("applying %s, which is possible=%v: %v\n%s", o, possible, err, s.Text())
	}
}

func (m memory) together(t *testing.T, c *Client, r *rand.Rand) {
	t.Helper()
	states, errs := map[logical.Owner]logical.State{}, make([]error, len(pods))
	for _, o := range pods {
		states[o] = randomState(r, o)
	}
	inParallel(t, len(pods), len(pods), func(i int) (int, error) {
		_, errs[i] = c.Apply(t.Context(), pods[i], states[pods[i]])
		return 0, nil
	})
	for i, o := range pods {
		m.learn(t, o, states[o], errs[i])
	}
}

// compare looks at the database through the eyes of the client, which must find
// nothing to do, and past it.
func (m memory) compare(t *testing.T, c *Client, db *ovntest.Database) {
	t.Helper()
	for o, s := range m {
		if n, err := c.Apply(t.Context(), o, s); n != 0 || err != nil {
			t.Errorf("%s: %d operations, %v\n%s", o, n, err, s.Text())
		}
	}
	all := m.everything()
	memberships := 0
	for _, p := range all.SwitchPorts {
		memberships += len(p.Groups)
	}
	for what, count := range map[string][2]int{
		"routers":       {len(all.Routers), rows(db, "Logical_Router")},
		"switches":      {len(all.Switches), rows(db, "Logical_Switch")},
		"groups":        {len(all.PortGroups), rows(db, "Port_Group")},
		"router ports":  {len(all.RouterPorts), rows(db, "Logical_Router_Port")},
		"switch ports":  {len(all.SwitchPorts), rows(db, "Logical_Switch_Port")},
		"policies":      {len(all.Policies), rows(db, "Logical_Router_Policy")},
		"static routes": {len(all.StaticRoutes), rows(db, "Logical_Router_Static_Route")},
		"acls":          {len(all.ACLs), rows(db, "ACL")},
		"held ports":    {len(all.SwitchPorts), references(db, "Logical_Switch", "ports")},
		"memberships":   {memberships, references(db, "Port_Group", "ports")},
	} {
		if count[0] != count[1] {
			t.Errorf("%d %s instead of %d", count[1], what, count[0])
		}
	}
}

func rows(db *ovntest.Database, table string) int { return uuids(db, table, "_uuid") }

// references counts the UUIDs in a column. The row's own is asked for beside
// them, since the server gives rows that look alike only once.
func references(db *ovntest.Database, table, column string) int {
	return uuids(db, table, "_uuid", column) - rows(db, table)
}

func uuids(db *ovntest.Database, table string, columns ...string) (n int) {
	for _, word := range strings.FieldsFunc(db.Dump(table, columns...), func(c rune) bool { return strings.ContainsRune(" \n[],", c) }) {
		if len(word) == 36 && strings.Count(word, "-") == 4 {
			n++
		}
	}
	return n
}
