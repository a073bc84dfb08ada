package archtest

import (
	"slices"
	"strings"
	"testing"
)

// room is a part of the tree with one rule for its imports. Paths are prefixes
// that end at a slash: "internal/plan" covers internal/plan/overlay.
type room struct {
	name string
	dirs []string
	// own is what it may import of ours, apart from packages below itself.
	own []string
	// others is what it may import of other modules.
	others []string
	// noSystem forbids the parts of the standard library that touch the machine.
	noSystem bool
	// never is what it must not reach, not even through others.
	never []string
}

var (
	words   = []string{"internal/ipam", "internal/logical", "internal/host", "internal/delta", "internal/cniwire", "internal/discovery"}
	kinds   = []string{"k8s.io/api", "k8s.io/apimachinery"}
	drivers = []string{"github.com/ovn-kubernetes/libovsdb", "github.com/vishvananda/netlink", "sigs.k8s.io/knftables", "github.com/cilium/ebpf", "github.com/godbus/dbus"}
	ovsdb   = []string{"github.com/ovn-kubernetes/libovsdb", "github.com/go-logr/logr", "github.com/google/uuid", "github.com/cenkalti/backoff", "github.com/prometheus/client_golang"}
	kernel  = []string{"github.com/vishvananda", "golang.org/x/sys", "github.com/go-logr/logr"}
	planned = slices.Concat(words, []string{"api", "internal/plan", "internal/nodeplan"})
	runtime = slices.Concat(kinds, []string{"k8s.io/client-go", "k8s.io/utils", "sigs.k8s.io/controller-runtime", "github.com/go-logr/logr", "github.com/prometheus/client_golang", "github.com/spf13/pflag", "golang.org/x/sync", "golang.org/x/sys"})
)

// clients are what makes a package part of a cluster's program.
var clients = []string{"k8s.io/client-go", "sigs.k8s.io/controller-runtime"}

// machine is what of the standard library touches the machine or its network.
var machine = []string{"net", "net/http", "os", "os/exec", "os/signal", "plugin", "syscall", "unsafe"}

// rooms is the table of docs/architecture.md, "Who may import whom". The first
// room that a package lies in counts.
var rooms = []room{
	{name: "api", dirs: []string{"api"}, others: []string{"k8s.io/apimachinery"}, noSystem: true, never: slices.Concat(clients, drivers)},
	{name: "words", dirs: words, own: words, others: []string{"go4.org/netipx"}, noSystem: true, never: []string{"k8s.io", "sigs.k8s.io", module + "/api"}},
	{name: "plan", dirs: []string{"internal/plan", "internal/nodeplan"}, own: planned, others: append(kinds, "go4.org/netipx"), noSystem: true, never: slices.Concat(clients, drivers)},
	{name: "edge northbound", dirs: []string{"internal/northbound"}, own: words, others: ovsdb, never: clients},
	{name: "edge vswitch", dirs: []string{"internal/vswitch"}, own: words, others: ovsdb, never: clients},
	{name: "edge kernel", dirs: []string{"internal/kernel"}, own: words, others: kernel, never: clients},
	{name: "edge loop", dirs: []string{"internal/loop"}, own: words, others: kernel, never: clients},
	{name: "edge takeover", dirs: []string{"internal/takeover"}, own: append(slices.Clone(words), "internal/takeover"), others: append(slices.Clone(kernel), "github.com/cilium/ebpf"), never: clients},
	{name: "edge netfilter", dirs: []string{"internal/netfilter"}, own: words, others: []string{"sigs.k8s.io/knftables", "golang.org/x/sys"}, never: clients},
	{name: "edge uplink", dirs: []string{"internal/uplink"}, own: words, others: append(slices.Clone(kernel), "github.com/cilium/ebpf", "github.com/safchain/ethtool"), never: clients},
	{name: "edge netmanager", dirs: []string{"internal/netmanager"}, own: words, others: []string{"github.com/godbus/dbus"}, never: clients},
	{name: "edge cniclient", dirs: []string{"internal/cniclient"}, own: words, others: []string{"github.com/containernetworking/cni", "golang.org/x/sys"}, never: clients},
	{name: "edge leader", dirs: []string{"internal/leader"}, own: words, never: clients},
	{name: "controller", dirs: []string{"internal/controller"}, own: planned, others: runtime, never: drivers},
	{name: "steps", dirs: []string{"internal/steps"}, own: words, others: []string{"github.com/go-logr/logr"}, never: slices.Concat(clients, drivers)},
	{name: "agent", dirs: []string{"internal/agent"}, own: append(slices.Clone(planned), "internal/steps"), others: runtime, never: drivers},
	{name: "command", dirs: []string{"cmd"}, own: []string{"api", "internal"}, others: []string{""}},
	{name: "images", dirs: []string{"images"}, own: []string{"internal"}, others: []string{""}},
	{name: "hack", dirs: []string{"hack"}, own: []string{"api", "internal", "images"}, others: []string{""}},
	{name: "test", dirs: []string{"test"}, own: []string{"api", "internal", "images", "test"}, others: []string{""}},
}

// within says whether a path is one of the prefixes or lies below one. The
// empty prefix covers everything.
func within(path string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool {
		return prefix == "" || path == prefix || strings.HasPrefix(path, prefix+"/")
	})
}

func roomOf(p pkg) (room, bool) {
	i := slices.IndexFunc(rooms, func(r room) bool { return within(p.path(), r.dirs) })
	if i < 0 {
		return room{}, false
	}
	return rooms[i], true
}

// mayImport says whether the room's rule lets a package import another directly.
func (r room) mayImport(from, to pkg) bool {
	switch {
	case to.ours():
		own := slices.Clone(r.own)
		if i := slices.IndexFunc(r.dirs, func(dir string) bool { return within(from.path(), []string{dir}) }); i >= 0 {
			own = append(own, r.dirs[i])
		}
		return within(to.path(), own)
	case to.Standard:
		return !r.noSystem || !slices.Contains(machine, to.ImportPath)
	}
	return within(to.ImportPath, r.others)
}

func TestDirectImports(t *testing.T) {
	all, ours := load(t)
	for _, p := range ours {
		r, ok := roomOf(p)
		if !ok {
			t.Errorf("%s stands in no room: add it to docs/architecture.md and to rooms in test/archtest", p.path())
			continue
		}
		for _, path := range p.Imports {
			to, known := all[path]
			if !known || path == "C" {
				continue
			}
			if !r.mayImport(p, to) {
				t.Errorf("%s (room %s) must not import %s: docs/architecture.md, who may import whom", p.path(), r.name, path)
			}
		}
	}
}

func TestIndirectImports(t *testing.T) {
	all, ours := load(t)
	for _, p := range ours {
		r, ok := roomOf(p)
		if !ok || len(r.never) == 0 {
			continue
		}
		if chain := reach(all, p.ImportPath, r.never, map[string]bool{}); chain != nil {
			t.Errorf("%s (room %s) must not reach %s, but does: %s", p.path(), r.name, chain[len(chain)-1], strings.Join(chain, " → "))
		}
	}
}

// reach is a chain of imports from a package to one of the forbidden.
func reach(all map[string]pkg, from string, forbidden []string, seen map[string]bool) []string {
	seen[from] = true
	for _, path := range all[from].Imports {
		if seen[path] {
			continue
		}
		if within(path, forbidden) {
			return []string{from, path}
		}
		if chain := reach(all, path, forbidden, seen); chain != nil {
			return append([]string{from}, chain...)
		}
	}
	return nil
}

// TestRules tries the rules themselves on imports that they must refuse.
func TestRules(t *testing.T) {
	ours := func(path string) pkg { return pkg{ImportPath: module + "/" + path} }
	system := func(path string) pkg { return pkg{ImportPath: path, Standard: true} }
	cases := []struct {
		from, to pkg
		want     bool
	}{
		{ours("internal/logical"), ours("internal/host"), true},
		{ours("internal/logical"), ours("api/v1"), false},
		{ours("internal/ipam"), system("os"), false},
		{ours("internal/ipam"), system("net/netip"), true},
		{ours("internal/plan/overlay"), ours("internal/plan"), true},
		{ours("internal/plan/overlay"), ours("internal/northbound"), false},
		{ours("internal/plan/overlay"), pkg{ImportPath: "k8s.io/client-go/rest"}, false},
		{ours("internal/northbound"), ours("internal/northbound/nbdb"), true},
		{ours("internal/northbound"), ours("internal/vswitch"), false},
		{ours("internal/kernel"), ours("api/v1"), false},
		{ours("internal/controller"), ours("internal/agent"), false},
		{ours("internal/controller"), ours("internal/northbound"), false},
		{ours("internal/controller"), pkg{ImportPath: "github.com/vishvananda/netlink"}, false},
		{ours("cmd/kube-ovn-controller"), ours("internal/northbound"), true},
		{ours("cmd/kube-ovn-controller"), ours("test/ovntest"), false},
		{ours("api/v1"), ours("internal/host"), false},
		{ours("api/v1"), pkg{ImportPath: "k8s.io/apimachinery/pkg/runtime"}, true},
	}
	for _, c := range cases {
		r, ok := roomOf(c.from)
		if !ok {
			t.Fatalf("%s stands in no room", c.from.path())
		}
		if got := r.mayImport(c.from, c.to); got != c.want {
			t.Errorf("%s may import %s: %v", c.from.path(), c.to.ImportPath, got)
		}
	}
}
