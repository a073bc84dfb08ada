package vswitch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"

	"hawser/internal/host"
	"hawser/internal/vswitch/vsdb"
	"hawser/test/ovntest"
)

const webOwner = "Pod/default/web"

// open starts a server with br-int, which is ovn-controller's, and a client.
func open(t *testing.T) (*ovntest.Database, *Client) {
	t.Helper()
	db := ovntest.VSwitch(t)
	db.VSCtl("add-br", "br-int")
	return db, dial(t, db)
}

func dial(t *testing.T, db *ovntest.Database) *Client {
	t.Helper()
	c, err := Dial(t.Context(), db.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func podPort(link, id string) host.BridgePort {
	return host.BridgePort{Bridge: "br-int", Name: link, ExternalIDs: map[string]string{"iface-id": id}}
}

func ports(p ...host.BridgePort) host.Switching { return host.Switching{Ports: p} }

func mustApply(t *testing.T, c *Client, owner string, want host.Switching, changes int) {
	t.Helper()
	changed, err := c.Apply(t.Context(), owner, want)
	if err != nil {
		t.Fatalf("applying for %s: %v", owner, err)
	}
	if changed != changes {
		t.Errorf("applying for %s changed %d rows, want %d", owner, changed, changes)
	}
}

// everything is the whole content that matters, in one comparable text. The
// server's own version counter is not in it.
func everything(db *ovntest.Database) string {
	return db.Dump("Open_vSwitch", "bridges", "external_ids", "other_config") + db.Dump("Bridge") + db.Dump("Port") + db.Dump("Interface")
}

// TestThreeLaws: what is applied is there; applied again it costs nothing;
// applying nothing leaves nothing of the owner and all else as it was.
func TestThreeLaws(t *testing.T) {
	wants := map[string]host.Switching{
		"a pod's port": ports(podPort("c0ffee_h", "web.default")),
		"a bridge with an internal port, all fields": {
			Bridges: []host.Bridge{{
				Name: "br-encap", DatapathType: "netdev", FailMode: "standalone", MAC: host.MAC{2, 0, 0, 0, 0, 1},
				ExternalIDs: map[string]string{"purpose": "tunnels"}, OtherConfig: map[string]string{"disable-in-band": "true"},
			}},
			Ports: []host.BridgePort{
				{Bridge: "br-encap", Name: "hwencap"},
				{Bridge: "br-int", Name: "ovn0", Type: "internal", MAC: host.MAC{2, 0, 0, 0, 0, 2}, MTU: 1400, Tag: 7, ExternalIDs: map[string]string{"iface-id": "node-n1"}},
			},
		},
		"two ports": ports(podPort("a_h", "a.x"), podPort("b_h", "b.x")),
	}
	for name, want := range wants {
		t.Run(name, func(t *testing.T) {
			db, c := open(t)
			mustApply(t, c, "Pod/other/neighbour", ports(podPort("neighbour_h", "neighbour.other")), 1)
			before := everything(db)

			mustApply(t, c, webOwner, want, len(want.Bridges)+len(want.Ports))
			if diff := cmp.Diff(want, bare(c.All("Pod/default/")[webOwner])); diff != "" {
				t.Errorf("law 1, rows as wanted (-want +got):\n%s", diff)
			}
			mustApply(t, c, webOwner, want, 0)
			mustApply(t, dial(t, db), webOwner, want, 0) // nor after a restart
			mustApply(t, c, webOwner, host.Switching{}, len(want.Bridges)+len(want.Ports))
			if diff := cmp.Diff(before, everything(db)); diff != "" {
				t.Errorf("law 3, nothing of the owner and all else untouched (-before +after):\n%s", diff)
			}
		})
	}
}

// bare takes away what the edge itself adds, and nils empty maps.
func bare(s host.Switching) host.Switching {
	clean := func(ids map[string]string) map[string]string {
		delete(ids, vendorKey)
		delete(ids, ownerKey)
		delete(ids, hwaddrKey)
		delete(ids, rstpKey)
		if len(ids) == 0 {
			return nil
		}
		return ids
	}
	for i := range s.Bridges {
		s.Bridges[i].ExternalIDs, s.Bridges[i].OtherConfig = clean(s.Bridges[i].ExternalIDs), clean(s.Bridges[i].OtherConfig)
	}
	for i := range s.Ports {
		s.Ports[i].ExternalIDs = clean(s.Ports[i].ExternalIDs)
	}
	return s
}

// TestEveryFieldFollows changes each field of a bridge and a port and expects
// one changed row each time, and the same result as if made so at first.
func TestEveryFieldFollows(t *testing.T) {
	db, c := open(t)
	db.VSCtl("add-br", "br-two")
	base := host.Switching{
		Bridges: []host.Bridge{{Name: "br-x", DatapathType: "netdev", FailMode: "secure", MAC: host.MAC{2, 1}, OtherConfig: map[string]string{"k": "1"}, ExternalIDs: map[string]string{"e": "1"}}},
		Ports:   []host.BridgePort{{Bridge: "br-int", Name: "p", Type: "internal", MAC: host.MAC{2, 2}, MTU: 1400, Tag: 5, ExternalIDs: map[string]string{"iface-id": "x", "encap-ip": "192.0.2.1"}}},
	}
	changes := map[string]func(*host.Bridge, *host.BridgePort){
		"datapath":       func(b *host.Bridge, _ *host.BridgePort) { b.DatapathType = "" },
		"fail mode":      func(b *host.Bridge, _ *host.BridgePort) { b.FailMode = "" },
		"bridge MAC":     func(b *host.Bridge, _ *host.BridgePort) { b.MAC = host.MAC{2, 9} },
		"other_config":   func(b *host.Bridge, _ *host.BridgePort) { b.OtherConfig = map[string]string{"k": "2"} },
		"spanning tree":  func(b *host.Bridge, _ *host.BridgePort) { b.RSTP = true },
		"place":          func(_ *host.Bridge, p *host.BridgePort) { p.Place = 3 },
		"protection":     func(_ *host.Bridge, p *host.BridgePort) { p.Protected = true },
		"bridge ids":     func(b *host.Bridge, _ *host.BridgePort) { b.ExternalIDs = map[string]string{"e": "2"} },
		"port's bridge":  func(_ *host.Bridge, p *host.BridgePort) { p.Bridge = "br-two" },
		"type":           func(_ *host.Bridge, p *host.BridgePort) { p.Type = "" },
		"port MAC":       func(_ *host.Bridge, p *host.BridgePort) { p.MAC = host.MAC{} },
		"MTU":            func(_ *host.Bridge, p *host.BridgePort) { p.MTU = 1300 },
		"tag":            func(_ *host.Bridge, p *host.BridgePort) { p.Tag = 0 },
		"logical port":   func(_ *host.Bridge, p *host.BridgePort) { p.ExternalIDs = map[string]string{"iface-id": "y"} },
		"unset encap-ip": func(_ *host.Bridge, p *host.BridgePort) { p.ExternalIDs = map[string]string{"encap-ip": ""} },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			for _, from := range []host.Switching{{}, base} {
				if _, err := c.Apply(t.Context(), "Node//n1", from); err != nil {
					t.Fatal(err)
				}
			}
			want := host.Switching{Bridges: []host.Bridge{base.Bridges[0]}, Ports: []host.BridgePort{base.Ports[0]}}
			change(&want.Bridges[0], &want.Ports[0])
			mustApply(t, c, "Node//n1", want, 1)
			mustApply(t, c, "Node//n1", want, 0)
			got := c.All("Node//n1")["Node//n1"]
			if p := want.Ports[0]; name == "unset encap-ip" {
				if _, there := got.Ports[0].ExternalIDs["encap-ip"]; there {
					t.Error("encap-ip is still set")
				}
			} else if got.Ports[0].Bridge != p.Bridge || got.Ports[0].MTU != p.MTU || got.Ports[0].Tag != p.Tag || got.Ports[0].Type != p.Type || got.Ports[0].MAC != p.MAC {
				t.Errorf("port is %+v, want %+v", got.Ports[0], p)
			}
		})
	}
}

func TestForeignKeysStay(t *testing.T) {
	db, c := open(t)
	mustApply(t, c, webOwner, ports(podPort("a_h", "web.default")), 1)
	db.VSCtl("set", "Interface", "a_h", "external_ids:ovn-installed=true", "external_ids:attached-mac=x")
	eventually(t, c, func() bool { row, _ := c.ifaceNamed("a_h"); return row.ExternalIDs["attached-mac"] == "x" })
	moved := podPort("a_h", "web.default")
	moved.ExternalIDs["pod_netns"] = "/run/netns/x"
	mustApply(t, c, webOwner, ports(moved), 1)
	if got := db.VSCtl("get", "Interface", "a_h", "external_ids"); !strings.Contains(got, `ovn-installed="true"`) || !strings.Contains(got, "pod_netns") {
		t.Errorf("external_ids: %s", got)
	}
}

func TestNobodyElsesRows(t *testing.T) {
	db, c := open(t)
	mustApply(t, c, "Pod/a/one", ports(podPort("one_h", "one.a")), 1)
	db.VSCtl("add-port", "br-int", "hand", "--", "set", "Interface", "hand", "external_ids:iface-id=hand.made")
	db.VSCtl("add-br", "br-phys")
	mustApply(t, c, "Node//n1", host.Switching{Bridges: []host.Bridge{{Name: "br-ours"}}}, 1)
	db.VSCtl("add-port", "br-ours", "guest")
	eventually(t, c, func() bool { return len(portNames(c)) == 6 })
	before := everything(db)

	for name, try := range map[string]host.Switching{
		"another pod's port":             ports(podPort("one_h", "two.a")),
		"a port made by hand":            ports(podPort("hand", "two.a")),
		"a bridge made by hand":          {Bridges: []host.Bridge{{Name: "br-phys"}}},
		"a logical port claimed by hand": ports(podPort("two_h", "hand.made")),
	} {
		if _, err := c.Apply(t.Context(), "Pod/a/two", try); !errors.Is(err, ErrForeign) {
			t.Errorf("%s: %v, want ErrForeign", name, err)
		}
	}
	if _, err := c.Apply(t.Context(), "Node//n1", host.Switching{}); !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), "guest") {
		t.Errorf("removing a bridge with a guest: %v", err)
	}
	if diff := cmp.Diff(before, everything(db)); diff != "" {
		t.Errorf("rows of others changed:\n%s", diff)
	}
}

func portNames(c *Client) map[string]bool {
	s, _ := c.snapshot(atOnce)
	names := map[string]bool{}
	for name := range s.ports {
		names[name] = true
	}
	return names
}

func TestAdoptsWhatKubeOVNLeft(t *testing.T) {
	db, c := open(t)
	db.VSCtl("add-port", "br-int", "keep_h", "--", "set", "Port", "keep_h", "external_ids:vendor=kube-ovn",
		"--", "set", "Interface", "keep_h", "external_ids:iface-id=web.default", "external_ids:vendor=kube-ovn")
	id := db.VSCtl("get", "Port", "keep_h", "_uuid")
	eventually(t, c, func() bool { _, ok := c.ifaceNamed("keep_h"); return ok })
	mustApply(t, c, webOwner, ports(podPort("keep_h", "web.default")), 1)
	if got := db.VSCtl("get", "Port", "keep_h", "_uuid"); got != id {
		t.Errorf("the port was made anew: %s, was %s", got, id)
	}
	if got := c.Owners("Pod/"); !cmp.Equal(got, []string{webOwner}) {
		t.Errorf("owners: %v", got)
	}
}

func TestReplacesTheDeadPodsPort(t *testing.T) {
	db, c := open(t)
	mustApply(t, c, webOwner, ports(podPort("dead_h", "web.default")), 1)
	db.VSCtl("add-port", "br-int", "older_h", "--", "set", "Port", "older_h", "external_ids:vendor=kube-ovn",
		"--", "set", "Interface", "older_h", "external_ids:iface-id=web.default")
	eventually(t, c, func() bool { _, ok := c.ifaceNamed("older_h"); return ok })
	mustApply(t, c, webOwner, ports(podPort("new_h", "web.default")), 2)
	if got := strings.Fields(db.VSCtl("list-ports", "br-int")); !cmp.Equal(got, []string{"new_h"}) {
		t.Errorf("ports: %v", got)
	}
	if got := strings.Fields(db.VSCtl("--bare", "--columns=name", "list", "Interface")); len(got) != 2 { // br-int's own and new_h
		t.Errorf("interfaces: %v", got)
	}
}

func TestBridgeMissing(t *testing.T) {
	db := ovntest.VSwitch(t)
	c := dial(t, db)
	if _, err := c.Apply(t.Context(), webOwner, ports(podPort("a_h", "web.default"))); !errors.Is(err, ErrBridgeMissing) {
		t.Errorf("before ovn-controller made br-int: %v", err)
	}
	// The server refuses too, should the bridge go after the cache was read.
	have := snapshot{bridges: map[string]vsdb.Bridge{"br-int": {}}}
	d, err := compose(have, webOwner, ports(podPort("a_h", "web.default")))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.commit(t.Context(), d.operations()); !errors.Is(err, ErrBridgeMissing) {
		t.Errorf("at commit: %v", err)
	}
	if got := db.Dump("Port", "name"); strings.Contains(got, "a_h") {
		t.Errorf("written all the same: %s", got)
	}
}

func TestNameTakenAtCommit(t *testing.T) {
	db, c := open(t)
	db.VSCtl("add-port", "br-int", "taken")
	d, err := compose(snapshot{bridges: map[string]vsdb.Bridge{"br-int": {}}}, webOwner, ports(podPort("taken", "x")))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.commit(t.Context(), d.operations()); err == nil || !strings.Contains(err.Error(), "taken") {
		t.Errorf("the server's reason is lost: %v", err)
	}
}

func TestNoRoot(t *testing.T) {
	db, c := open(t)
	db.Transact(`{"op":"delete","table":"Open_vSwitch","where":[]}`)
	eventually(t, c, func() bool { _, ok := c.root(atOnce); return !ok })
	if _, err := c.Apply(t.Context(), webOwner, host.Switching{}); !errors.Is(err, errNoRoot) {
		t.Errorf("Apply: %v", err)
	}
	if _, err := c.SetExternalIDs(t.Context(), map[string]string{"a": "b"}); !errors.Is(err, errNoRoot) {
		t.Errorf("SetExternalIDs: %v", err)
	}
	if c.ExternalID("a") != "" || len(c.All("")) != 0 || len(c.Owners("")) != 0 {
		t.Error("something is there")
	}
}

func TestSetExternalIDs(t *testing.T) {
	db, c := open(t)
	db.VSCtl("set", "Open_vSwitch", ".", "external_ids:system-id=n1", "external_ids:ovn-encap-ip=192.0.2.9", "external_ids:old=1")
	eventually(t, c, func() bool { return c.ExternalID("old") == "1" })
	want := map[string]string{"ovn-encap-ip": "192.0.2.1", "ovn-encap-type": "geneve", "old": "", "never": ""}
	for i, changes := range []int{3, 0} {
		changed, err := c.SetExternalIDs(t.Context(), want)
		if err != nil || changed != changes {
			t.Errorf("call %d changed %d, want %d (%v)", i, changed, changes, err)
		}
	}
	for key, value := range map[string]string{"ovn-encap-ip": "192.0.2.1", "ovn-encap-type": "geneve", "old": "", "system-id": "n1"} {
		if got := c.ExternalID(key); got != value {
			t.Errorf("%s is %q, want %q", key, got, value)
		}
	}
}

func TestInstalled(t *testing.T) {
	db, c := open(t)
	mustApply(t, c, webOwner, ports(podPort("a_h", "web.default")), 1)
	wait := func(ctx context.Context) <-chan error {
		done := make(chan error, 1)
		go func() { done <- c.Installed(ctx, "a_h") }()
		return done
	}
	if err := c.Installed(t.Context(), "nobody_h"); !errors.Is(err, ErrPortGone) {
		t.Errorf("an unknown port: %v", err)
	}

	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.Installed(short, "a_h"); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "web.default") {
		t.Errorf("no ovn-controller: %v", err)
	}
	db.VSCtl("set", "Interface", "a_h", `error="could not open network device a_h (No such device)"`)
	eventually(t, c, func() bool { row, _ := c.ifaceNamed("a_h"); return row.Error != nil })
	short, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.Installed(short, "a_h"); err == nil || !strings.Contains(err.Error(), "could not open") {
		t.Errorf("vswitchd's reason is lost: %v", err)
	}

	done := wait(t.Context())
	db.VSCtl("set", "Interface", "a_h", "external_ids:ovn-installed=true")
	if err := within(t, done); err != nil {
		t.Errorf("after ovn-installed: %v", err)
	}
	db.VSCtl("remove", "Interface", "a_h", "external_ids", "ovn-installed")
	eventually(t, c, func() bool { row, _ := c.ifaceNamed("a_h"); return row.ExternalIDs[installedKey] == "" })
	done = wait(t.Context())
	mustApply(t, c, webOwner, host.Switching{}, 1)
	if err := within(t, done); !errors.Is(err, ErrPortGone) {
		t.Errorf("after the port went: %v", err)
	}
}

// TestOnlyOurColumns: the server has columns that the model lacks. They neither
// disturb the reading of all rows nor wake anybody.
func TestOnlyOurColumns(t *testing.T) {
	db, _ := open(t)
	db.VSCtl("set", "Interface", "br-int", "statistics:rx_packets=1", "other_config:x=y", "--", "set", "Bridge", "br-int", "flow_tables:0=@f", "--", "--id=@f", "create", "Flow_Table", "name=classifier")
	var log strings.Builder
	c, err := Dial(logr.NewContext(t.Context(), funcr.New(func(_, line string) { log.WriteString(line) }, funcr.Options{})), db.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if names := portNames(c); !names["br-int"] || log.Len() > 0 {
		t.Errorf("ports %v, log %s", names, log.String())
	}
	time.Sleep(50 * time.Millisecond) // the hints of the first reading
	hint := c.Changed()
	db.VSCtl("set", "Interface", "br-int", "statistics:rx_packets=2")
	select {
	case <-hint:
		t.Error("woken by statistics")
	case <-time.After(50 * time.Millisecond):
	}
}

// TestServerRestart kills ovsdb-server: what changed meanwhile is seen, waiters
// wake, and writes go on without a new Dial.
func TestServerRestart(t *testing.T) {
	db, c := open(t)
	mustApply(t, c, webOwner, ports(podPort("a_h", "web.default")), 1)
	mustApply(t, c, "Pod/default/gone", ports(podPort("b_h", "gone.default")), 1)
	changed := c.Changed()
	waiting := map[string]chan error{"a_h": make(chan error, 1), "b_h": make(chan error, 1)}
	for port, done := range waiting {
		go func() { done <- c.Installed(t.Context(), port) }()
	}
	db.Kill()
	eventuallyPolled(t, func() bool { return !c.Connected() })
	db.Start()
	db.VSCtl("set", "Interface", "a_h", "external_ids:ovn-installed=true", "--", "del-port", "b_h")
	if err := within(t, waiting["a_h"]); err != nil {
		t.Errorf("waiter for the port that was installed: %v", err)
	}
	if err := within(t, waiting["b_h"]); !errors.Is(err, ErrPortGone) {
		t.Errorf("waiter for the port that went: %v", err)
	}
	mustApply(t, c, webOwner, ports(podPort("a_h", "web.default")), 0)
	mustApply(t, c, webOwner, host.Switching{}, 1)
	if !c.Connected() {
		t.Error("not connected")
	}
	select {
	case <-changed:
	default:
		t.Error("no hint after the reconnection")
	}
}

func TestApplyWaitsForTheServerUntilItsContextEnds(t *testing.T) {
	db, c := open(t)
	db.Kill()
	eventuallyPolled(t, func() bool { return !c.Connected() })
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_ = c.All("") // what only reads does not wait at all
	if _, err := c.Apply(short, webOwner, ports(podPort("a_h", "web.default"))); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while the server is down: %v", err)
	}
	c.turn <- struct{}{}
	if _, err := c.Apply(short, webOwner, host.Switching{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while another writes: %v", err)
	}
	<-c.turn
}

func TestDialGivesUpWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := Dial(ctx, "unix:"+filepath.Join(t.TempDir(), "db.sock"))
	if err == nil || !strings.Contains(err.Error(), "ovsdb-server") {
		t.Errorf("got %v", err)
	}
}

func TestManyAtOnce(t *testing.T) {
	_, c := open(t)
	var all sync.WaitGroup
	began := time.Now()
	for i := range 100 {
		all.Go(func() {
			pod := fmt.Sprintf("p%d", i)
			if _, err := c.Apply(context.Background(), "Pod/x/"+pod, ports(podPort(pod+"_h", pod+".x"))); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	t.Logf("100 ports of 100 owners, at once: %s", time.Since(began))
	if n := len(c.Owners("Pod/x/")); n != 100 {
		t.Errorf("%d owners", n)
	}
}

// TestSchemaIsPartOfTheRealOne keeps the pruned schema true to Open vSwitch's.
func TestSchemaIsPartOfTheRealOne(t *testing.T) {
	part(t, "schema", parsed(t, "vsdb/vswitch.ovsschema"), parsed(t, ovntest.VSwitchSchema(t)))
}

func parsed(t *testing.T, path string) (content any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &content); err != nil {
		t.Fatal(err)
	}
	return content
}

func part(t *testing.T, path string, ours, theirs any) {
	object, isObject := ours.(map[string]any)
	if !isObject {
		if !cmp.Equal(ours, theirs) {
			t.Errorf("%s: %v, the real one says %v", path, ours, theirs)
		}
		return
	}
	whole, _ := theirs.(map[string]any)
	for key, value := range object {
		part(t, path+"."+key, value, whole[key])
	}
}

func within(t *testing.T, done <-chan error) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("nothing happened for 10 s")
		return nil
	}
}

// eventually waits, by the client's own hints, until the cache shows something.
func eventually(t *testing.T, c *Client, met func() bool) {
	t.Helper()
	eventuallyBy(t, c.Changed(), met)
}

func eventuallyBy(t *testing.T, hint <-chan struct{}, met func() bool) {
	t.Helper()
	limit := time.After(30 * time.Second)
	for !met() {
		select {
		case <-hint:
		case <-limit:
			t.Fatal("not seen within 30 s")
		}
	}
}

func eventuallyPolled(t *testing.T, met func() bool) {
	t.Helper()
	for range 2000 {
		if met() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("not seen within 10 s")
}
