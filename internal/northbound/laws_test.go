package northbound

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hawser/internal/host"
	"hawser/internal/logical"
	"hawser/test/ovntest"
)

// tables are dumped without columns that carry random or repeated information.
func dump(db *ovntest.Database) string {
	var out strings.Builder
	for _, table := range tableNames {
		out.WriteString(table + "\n" + db.Dump(table))
	}
	return out.String()
}

func dial(t testing.TB, db *ovntest.Database) *Client {
	t.Helper()
	return dialWith(t, Config{Endpoints: []string{db.Endpoint}})
}

func dialWith(t testing.TB, cfg Config) *Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := Dial(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func apply(t testing.TB, c *Client, o logical.Owner, s logical.State) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	n, err := c.Apply(ctx, o, s)
	if err != nil {
		t.Fatalf("applying %s: %v", o, err)
	}
	return n
}

func owner(kind, name string) logical.Owner { return logical.Owner{Kind: kind, Name: name} }

var base = logical.State{
	Routers:    []logical.Router{{Name: "vpc"}, {Name: "other"}},
	Switches:   []logical.Switch{{Name: "net"}, {Name: "net2"}},
	PortGroups: []logical.PortGroup{{Name: "g1"}, {Name: "g2"}, {Name: "g3"}},
}

var mac = host.MAC{0x0a, 5: 1}

// law is a word in two forms: first as it is made, then as it is changed. The
// rows of both forms are what the database is expected to hold.
type law struct {
	first, second logical.State
	table         string
	columns       []string
	rows1, rows2  []string
	holder        string // table and column that must list the row, "Logical_Switch.ports"
}

var laws = map[string]law{
	"router": {
		first:  logical.State{Routers: []logical.Router{{Name: "r", Options: map[string]string{"a": "1"}}}},
		second: logical.State{Routers: []logical.Router{{Name: "r", Options: map[string]string{"b": "2"}}}},
		table:  "Logical_Router", columns: []string{"name", "options"},
		rows1: []string{`name: r`, `options: {a="1"}`}, rows2: []string{`name: r`, `options: {b="2"}`},
	},
	"switch": {
		first:  logical.State{Switches: []logical.Switch{{Name: "s", OtherConfig: map[string]string{"a": "1"}}}},
		second: logical.State{Switches: []logical.Switch{{Name: "s"}}},
		table:  "Logical_Switch", columns: []string{"name", "other_config"},
		rows1: []string{`name: s`, `other_config: {a="1"}`}, rows2: []string{`name: s`, `other_config: {}`},
	},
	"port group": {
		first:  logical.State{PortGroups: []logical.PortGroup{{Name: "g"}}},
		second: logical.State{PortGroups: []logical.PortGroup{{Name: "g", ExternalIDs: map[string]string{"x": "y"}}}},
		table:  "Port_Group", columns: []string{"name", "external_ids"},
		rows1: []string{`name: g`}, rows2: []string{`name: g`, `x=y`},
	},
	"router port": {
		first:  logical.State{RouterPorts: []logical.RouterPort{{Router: "vpc", Name: "vpc-net", MAC: mac, Networks: prefixes("10.0.0.1/24", "fd00::1/64")}}},
		second: logical.State{RouterPorts: []logical.RouterPort{{Router: "other", Name: "vpc-net", MAC: mac, Networks: prefixes("10.0.0.1/24"), Options: map[string]string{"o": "1"}}}},
		table:  "Logical_Router_Port", columns: []string{"name", "mac", "networks", "options"}, holder: "Logical_Router.ports",
		rows1: []string{`mac: "0a:00:00:00:00:01"`, `name: vpc-net`, `networks: ["10.0.0.1/24", "fd00::1/64"]`, `options: {}`},
		rows2: []string{`networks: ["10.0.0.1/24"]`, `options: {o="1"}`},
	},
	"switch port": {
		first: logical.State{SwitchPorts: []logical.SwitchPort{{
			Switch: "net", Name: "a.ns", Addresses: []string{"0a:00:00:00:00:02 10.0.0.2"}, PortSecurity: []string{"0a:00:00:00:00:02"},
			ExternalIDs: map[string]string{"pod": "ns/a", "vendor": "lies"}, Groups: []string{"g2", "g1"},
		}}},
		second: logical.State{SwitchPorts: []logical.SwitchPort{{
			Switch: "net2", Name: "a.ns", Type: logical.PortLocalnet, Addresses: []string{"unknown"}, Options: map[string]string{"network_name": "p"}, Tag: 7, Groups: []string{"g3", "g1"},
		}}},
		table: "Logical_Switch_Port", columns: []string{"name", "type", "addresses", "port_security", "tag", "options", "external_ids"}, holder: "Logical_Switch.ports",
		rows1: []string{`addresses: ["0a:00:00:00:00:02 10.0.0.2"]`, `groups="g1,g2"`, `parent="Logical_Switch/net"`, `pod="ns/a"`, `vendor=kube-ovn`, `port_security: ["0a:00:00:00:00:02"]`},
		rows2: []string{`addresses: [unknown]`, `groups="g1,g3"`, `parent="Logical_Switch/net2"`, `options: {network_name=p}`, `tag: 7`, `type: localnet`, `port_security: []`},
	},
	"policy": {
		first:  logical.State{Policies: []logical.Policy{{Router: "vpc", Priority: 30000, Match: "ip4.dst == 1.2.3.4", Action: logical.PolicyReroute, NextHops: addresses("100.64.0.2", "100.64.0.3")}}},
		second: logical.State{Policies: []logical.Policy{{Router: "vpc", Priority: 30000, Match: "ip4.dst == 1.2.3.4", Action: logical.PolicyAllow}}},
		table:  "Logical_Router_Policy", columns: []string{"priority", "match", "action", "nexthops"}, holder: "Logical_Router.policies",
		rows1: []string{`action: reroute`, `match: "ip4.dst == 1.2.3.4"`, `nexthops: ["100.64.0.2", "100.64.0.3"]`, `priority: 30000`},
		rows2: []string{`action: allow`, `nexthops: []`, `priority: 30000`},
	},
	"static route": {
		first:  logical.State{StaticRoutes: []logical.StaticRoute{{Router: "vpc", Prefix: netip.MustParsePrefix("::/0"), NextHop: netip.MustParseAddr("fd00::1")}}},
		second: logical.State{StaticRoutes: []logical.StaticRoute{{Router: "vpc", Table: "t", Prefix: netip.MustParsePrefix("0.0.0.0/0"), NextHop: netip.MustParseAddr("10.0.0.1")}}},
		table:  "Logical_Router_Static_Route", columns: []string{"ip_prefix", "nexthop", "route_table"}, holder: "Logical_Router.static_routes",
		rows1: []string{`ip_prefix: "::/0"`, `nexthop: "fd00::1"`, `route_table: ""`},
		rows2: []string{`ip_prefix: "0.0.0.0/0"`, `nexthop: "10.0.0.1"`, `route_table: t`},
	},
	"acl of a switch": {
		first:  logical.State{ACLs: []logical.ACL{{Switch: "net", Direction: "to-lport", Priority: 1000, Match: "ip", Action: "drop"}}},
		second: logical.State{ACLs: []logical.ACL{{Switch: "net", Direction: "to-lport", Priority: 1000, Match: "ip", Action: "allow-related"}}},
		table:  "ACL", columns: []string{"direction", "priority", "match", "action", "tier"}, holder: "Logical_Switch.acls",
		rows1: []string{`action: drop`, `direction: to-lport`, `match: ip`, `priority: 1000`, `tier: 0`}, rows2: []string{`action: allow-related`},
	},
	"acl of a port group": {
		first:  logical.State{ACLs: []logical.ACL{{PortGroup: "g1", Direction: "from-lport", Priority: 5, Match: "ip", Action: "drop", Tier: 1}}},
		second: logical.State{ACLs: []logical.ACL{{PortGroup: "g1", Direction: "from-lport", Priority: 5, Match: "ip", Action: "drop", Tier: 2}}},
		table:  "ACL", columns: []string{"direction", "priority", "match", "action", "tier"}, holder: "Port_Group.acls",
		rows1: []string{`direction: from-lport`, `tier: 1`}, rows2: []string{`tier: 2`},
	},
}

func prefixes(texts ...string) (out []netip.Prefix) {
	for _, t := range texts {
		out = append(out, netip.MustParsePrefix(t))
	}
	return out
}

func addresses(texts ...string) (out []netip.Addr) {
	for _, t := range texts {
		out = append(out, netip.MustParseAddr(t))
	}
	return out
}

// TestThreeLaws holds every word against the three laws of an edge, with the
// rows of other owners around it.
func TestThreeLaws(t *testing.T) {
	db := ovntest.Northbound(t)
	c := dial(t, db)
	apply(t, c, owner("Base", "b"), base)
	db.Transact(`{"op":"insert","table":"Logical_Switch","row":{"name":"foreign"}}`)
	for name, l := range laws {
		t.Run(name, func(t *testing.T) { l.hold(t, db, c) })
	}
}

func (l law) hold(t *testing.T, db *ovntest.Database, c *Client) {
	o := owner("Law", "l")
	before := dump(db)
	for i, form := range []struct {
		state logical.State
		rows  []string
	}{{l.first, l.rows1}, {l.second, l.rows2}, {l.first, l.rows1}} {
		if n := apply(t, c, o, form.state); n == 0 {
			t.Errorf("form %d: nothing was written", i)
		}
		l.expect(t, db, form.rows)
		if n := apply(t, c, o, form.state); n != 0 {
			t.Errorf("form %d: applied a second time, %d operations", i, n)
		}
	}
	if n := apply(t, c, o, logical.State{}); n == 0 {
		t.Error("deleting wrote nothing")
	}
	if diff := cmp.Diff(before, dump(db)); diff != "" {
		t.Errorf("after deleting, the database is not as it was: %s", diff)
	}
	if n := apply(t, c, o, logical.State{}); n != 0 {
		t.Errorf("deleted a second time, %d operations", n)
	}
}

// expect finds the one row of the law's owner and looks at its columns.
func (l law) expect(t *testing.T, db *ovntest.Database, want []string) {
	t.Helper()
	text := ownedDump(db, l.table, "Law//l")
	if strings.Count(text, "_uuid") != 1 {
		t.Fatalf("%d rows instead of one: %s", strings.Count(text, "_uuid"), text)
	}
	flat := strings.ReplaceAll(strings.Join(strings.Fields(text), " "), " : ", ": ")
	for _, line := range want {
		if !strings.Contains(flat, line) {
			t.Errorf("%q is missing in\n%s", line, text)
		}
	}
	if l.holder == "" {
		return
	}
	table, column, _ := strings.Cut(l.holder, ".")
	_, id, _ := strings.Cut(text, "_uuid")
	id = strings.Fields(strings.TrimLeft(id, " :"))[0]
	if got := strings.Count(db.Dump(table, "_uuid", column), id); got != 1 {
		t.Errorf("%d rows of %s hold it in %s", got, table, column)
	}
}

// ownedDump gives the blocks of a dump that carry an owner.
func ownedDump(db *ovntest.Database, table, o string) string {
	var out []string
	for _, block := range strings.Split(db.Dump(table), "\n\n") {
		if strings.Contains(block, `owner="`+o+`"`) {
			out = append(out, block)
		}
	}
	return strings.Join(out, "\n\n")
}

func TestOwnersAreListed(t *testing.T) {
	db := ovntest.Northbound(t)
	c := dial(t, db)
	apply(t, c, owner("Base", "b"), base)
	pod := logical.Owner{Kind: "Pod", Namespace: "ns", Name: "a"}
	apply(t, c, pod, logical.State{SwitchPorts: []logical.SwitchPort{{Switch: "net", Name: "a.ns"}}})
	db.Transact(`{"op":"insert","table":"Logical_Switch","row":{"name":"foreign"}}`)
	want := []logical.Owner{owner("Base", "b"), pod}
	if diff := cmp.Diff(want, c.Owners()); diff != "" {
		t.Error(diff)
	}
}

func TestMissingParents(t *testing.T) {
	db := ovntest.Northbound(t)
	c := dial(t, db)
	apply(t, c, owner("Base", "b"), base)
	before := dump(db)
	for name, s := range map[string]logical.State{
		"switch": {SwitchPorts: []logical.SwitchPort{{Switch: "none", Name: "p"}}},
		"router": {Policies: []logical.Policy{{Router: "none", Priority: 1, Match: "ip", Action: logical.PolicyDrop}}},
		"group":  {SwitchPorts: []logical.SwitchPort{{Switch: "net", Name: "p", Groups: []string{"none"}}}},
	} {
		_, err := c.Apply(t.Context(), owner("Law", "l"), s)
		if !errors.Is(err, ErrParentMissing) || !strings.Contains(err.Error(), `"none"`) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if diff := cmp.Diff(before, dump(db)); diff != "" {
		t.Error(diff)
	}
}

func TestNonsenseIsRefused(t *testing.T) {
	db := ovntest.Northbound(t)
	c := dial(t, db)
	apply(t, c, owner("Base", "b"), base)
	before := dump(db)
	acl := logical.ACL{Direction: "to-lport", Match: "ip", Action: "drop"}
	both := acl
	both.Switch, both.PortGroup = "net", "g1"
	wrong := acl
	wrong.Switch, wrong.Action = "net", "explode"
	for name, s := range map[string]logical.State{
		"twice":            {Switches: []logical.Switch{{Name: "x"}, {Name: "x"}}},
		"no name":          {Switches: []logical.Switch{{}}},
		"no parent":        {SwitchPorts: []logical.SwitchPort{{Name: "p"}}},
		"two parents":      {ACLs: []logical.ACL{both}},
		"unknown action":   {ACLs: []logical.ACL{wrong}},
		"out of range":     {Policies: []logical.Policy{{Router: "vpc", Priority: 40000, Match: "ip", Action: logical.PolicyDrop}}},
		"other's switch":   {Switches: []logical.Switch{{Name: "net"}}},
		"other's group":    {PortGroups: []logical.PortGroup{{Name: "g1"}}},
		"good beside evil": {Switches: []logical.Switch{{Name: "fine"}}, ACLs: []logical.ACL{wrong}},
	} {
		_, err := c.Apply(t.Context(), owner("Law", "l"), s)
		var refused *ConstraintError
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v", name, err)
		}
		t.Logf("%s: %v", name, err)
	}
	if diff := cmp.Diff(before, dump(db)); diff != "" {
		t.Error(diff)
	}
}

// TestStateWithParentAndChild writes a switch, its port and a group of it at once.
func TestStateWithParentAndChild(t *testing.T) {
	db := ovntest.Northbound(t)
	c := dial(t, db)
	empty := dump(db)
	s := base
	s.SwitchPorts = []logical.SwitchPort{{Switch: "net", Name: "p", Groups: []string{"g1"}}}
	s.RouterPorts = []logical.RouterPort{{Router: "vpc", Name: "vpc-net", MAC: mac, Networks: prefixes("10.0.0.1/24")}}
	s.ACLs = []logical.ACL{{PortGroup: "g1", Direction: "to-lport", Match: "ip", Action: "drop"}}
	apply(t, c, owner("Base", "b"), s)
	if n := apply(t, c, owner("Base", "b"), s); n != 0 {
		t.Errorf("%d operations the second time", n)
	}
	if n := strings.Count(db.Dump("Port_Group", "ports"), fmt.Sprint(rowID("Logical_Switch_Port", "p"))); n != 1 {
		t.Errorf("the port is in %d groups", n)
	}
	apply(t, c, owner("Base", "b"), logical.State{})
	if diff := cmp.Diff(empty, dump(db)); diff != "" {
		t.Error(diff)
	}
}

// TestGroupsMadeAnew: a group that was deleted and made again has lost its
// ports, and their owners' next Apply puts them back.
func TestGroupsMadeAnew(t *testing.T) {
	db := ovntest.Northbound(t)
	c := dial(t, db)
	groups := logical.State{PortGroups: []logical.PortGroup{{Name: "g"}}}
	port := logical.State{SwitchPorts: []logical.SwitchPort{{Switch: "net", Name: "p", Groups: []string{"g"}}}}
	apply(t, c, owner("Base", "b"), logical.State{Switches: base.Switches})
	apply(t, c, owner("Group", "g"), groups)
	apply(t, c, owner("Pod", "p"), port)
	apply(t, c, owner("Group", "g"), logical.State{})
	apply(t, c, owner("Group", "g"), groups)
	if n := apply(t, c, owner("Pod", "p"), port); n != 2 {
		t.Errorf("%d operations instead of the look at the port and its way into the group", n)
	}
	if got := db.Dump("Port_Group", "ports"); !strings.Contains(got, rowID("Logical_Switch_Port", "p")) {
		t.Error(got)
	}
}

// TestChangesByHandAreUndone: what someone else did to our rows is made good.
func TestChangesByHandAreUndone(t *testing.T) {
	db := ovntest.Northbound(t)
	c := dial(t, db)
	apply(t, c, owner("Base", "b"), base)
	s := logical.State{
		SwitchPorts: []logical.SwitchPort{{Switch: "net", Name: "p", Addresses: []string{"unknown"}, Groups: []string{"g1"}}},
		Policies:    []logical.Policy{{Router: "vpc", Priority: 5, Match: "ip", Action: logical.PolicyDrop}},
	}
	apply(t, c, owner("Law", "l"), s)
	want := dump(db)
	for name, operation := range map[string]string{
		"port renamed":       `{"op":"update","table":"Logical_Switch_Port","where":[["name","==","p"]],"row":{"name":"q"}}`,
		"addresses":          `{"op":"update","table":"Logical_Switch_Port","where":[["name","==","p"]],"row":{"addresses":["set",["dynamic","unknown"]]}}`,
		"priority":           `{"op":"update","table":"Logical_Router_Policy","where":[],"row":{"priority":6}}`,
		"taken out of group": `{"op":"update","table":"Port_Group","where":[["name","==","g1"]],"row":{"ports":["set",[]]}}`,
		"deleted":            `{"op":"update","table":"Logical_Switch","where":[["name","==","net"]],"row":{"ports":["set",[]]}}`,
	} {
		db.Transact(operation)
		// What this client has not been told yet, no Apply can know of; what it has
		// heard half of, it mends as a whole.
		waitUntil(t, name+" is seen and undone", func() bool {
			return apply(t, c, owner("Law", "l"), s) > 0
		})
		if diff := cmp.Diff(want, dump(db)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func waitUntil(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long until %s", what)
		}
	}
}
