package northbound

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hawser/internal/logical"
	"hawser/test/ovntest"
)

// TestKillDuringWrites kills the server (-9) again and again under writers:
// every Apply lands in the end, none is reported that did not.
func TestKillDuringWrites(t *testing.T) {
	t.Parallel()
	db := ovntest.Northbound(t)
	c := dial(t, db)
	apply(t, c, owner("Base", "b"), base)
	const pods, kills = 1500, 4
	var writers sync.WaitGroup
	landed := make(chan int, pods)
	for w := range 16 {
		writers.Go(func() {
			for i := w; i < pods; i += 16 {
				if _, err := c.Apply(t.Context(), pod(i), podState(i, "g1")); err != nil {
					t.Errorf("pod %d: %v", i, err)
				}
				landed <- i
			}
		})
	}
	for k := range kills {
		waitUntil(t, "some pods have landed", func() bool { return len(landed) > (k+1)*pods/(kills+2) })
		db.Kill()
		if k%2 == 1 {
			time.Sleep(200 * time.Millisecond) // long enough for a failed attempt to connect
		}
		db.Start()
	}
	writers.Wait()
	if n := inParallel(t, pods, 16, func(i int) (int, error) { return c.Apply(t.Context(), pod(i), podState(i, "g1")) }); n != 0 {
		t.Errorf("%d operations were missing", n)
	}
	if got := strings.Count(db.Dump("Logical_Switch_Port"), `pod="ns/p`); got != pods {
		t.Errorf("%d ports instead of %d", got, pods)
	}
	select {
	case <-c.Renewed():
	default:
		t.Error("nobody was told of the new connection")
	}
}

// TestRestoredDatabase: the server comes back with an older content, and the
// next Apply mends it, since nothing is taken from the old connection.
func TestRestoredDatabase(t *testing.T) {
	t.Parallel()
	db := ovntest.Northbound(t)
	c := dial(t, db)
	apply(t, c, owner("Base", "b"), base)
	db.Kill()
	db.Empty()
	db.Start()
	<-c.Renewed()
	if owners := c.Owners(); len(owners) != 0 {
		t.Errorf("owners of an empty database: %v", owners)
	}
	if n := apply(t, c, owner("Base", "b"), base); n != 7 {
		t.Errorf("%d operations instead of 7", n)
	}
}

// TestCallersDoNotWaitForEver: without a server, callers get an error when
// their time is over, and it says what is wrong.
func TestCallersDoNotWaitForEver(t *testing.T) {
	t.Parallel()
	db := ovntest.Northbound(t)
	c := dial(t, db)
	db.Kill()
	waitUntil(t, "the loss is noticed", func() bool { return !c.Connected() })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := c.Apply(ctx, pod(1), logical.State{})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no connection to the northbound database") {
		t.Error(err)
	}
	if owners := c.Owners(); owners != nil {
		t.Errorf("owners without a connection: %v", owners)
	}
	db.Start()
	waitUntil(t, "connected again", c.Connected)
	if n := apply(t, c, owner("Base", "b"), base); n != 7 {
		t.Errorf("%d operations", n)
	}
}

// TestHangingServer stops the server from running with its connections open
// (SIGSTOP). The caller gets its context's error in time, its owner stays locked
// until the outcome is known, and the silent server is found out.
func TestHangingServer(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits for two probes")
	}
	db := ovntest.Northbound(t)
	c := dial(t, db)
	apply(t, c, owner("Base", "b"), base)
	db.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.Apply(ctx, pod(1), podState(1, "g1")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("first: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.Apply(ctx, pod(1), logical.State{}); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "earlier write") {
		t.Errorf("second: %v", err)
	}
	waitUntil(t, "the silence is noticed", func() bool { return !c.Connected() })
	db.Resume()
	apply(t, c, pod(1), podState(1, "g1"))
	if n := apply(t, c, pod(1), podState(1, "g1")); n != 0 {
		t.Errorf("%d operations", n)
	}
}

func TestDialSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	if _, err := Dial(t.Context(), Config{}); err == nil || !strings.Contains(err.Error(), "no endpoint") {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := Dial(ctx, Config{Endpoints: []string{"unix:/nowhere/a.sock", "tcp:127.0.0.1:1", "%zz"}})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "/nowhere/a.sock") || !strings.Contains(err.Error(), "refused") {
		t.Error(err)
	}
}

// TestSessionsLeaveNothing: a client that connects again and again does not grow.
func TestSessionsLeaveNothing(t *testing.T) {
	db := ovntest.Northbound(t)
	c := dial(t, db)
	before := runtime.NumGoroutine()
	for range 20 {
		c.current.end(errors.New("the test says so"))
		<-c.Renewed()
	}
	waitUntil(t, "old sessions are gone", func() bool { return runtime.NumGoroutine() <= before })
	c.Close()
}

func TestDialSkipsDeadEndpoints(t *testing.T) {
	t.Parallel()
	db := ovntest.Northbound(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, err := Dial(ctx, Config{Endpoints: []string{"unix:/nowhere/a.sock", db.Endpoint}})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if c.Connected() {
		t.Error("connected after Close")
	}
	if _, err := c.Apply(t.Context(), pod(1), logical.State{}); !errors.Is(err, errClosed) {
		t.Error(err)
	}
}

// TestParentGoesMeanwhile: a switch is deleted after a port on it was planned,
// and before it is written: nothing vanishes silently.
func TestParentGoesMeanwhile(t *testing.T) {
	t.Parallel()
	db := ovntest.Northbound(t)
	c := dial(t, db)
	apply(t, c, owner("Base", "b"), base)
	u := must(c.current.view.plan(pod(1), podState(1, "g1")))
	db.Transact(`{"op":"delete","table":"Logical_Switch","where":[["name","==","net"]]}`)
	c.current.commits.expected.Add(1)
	c.current.commits.hand(u)
	if err := <-u.result; !errors.Is(err, ErrParentMissing) {
		t.Error(err)
	}
	// The same with a row of one's own that is to be updated.
	apply(t, c, owner("Base", "b"), base)
	apply(t, c, pod(1), podState(1, "g1"))
	changed := podState(1, "g1")
	changed.SwitchPorts[0].Addresses = []string{"unknown"}
	u = must(c.current.view.plan(pod(1), changed))
	db.Transact(`{"op":"update","table":"Logical_Switch","where":[["name","==","net"]],"row":{"ports":["set",[]]}}`)
	c.current.commits.expected.Add(1)
	c.current.commits.hand(u)
	if err := <-u.result; !errors.Is(err, errStale) {
		t.Error(err)
	}
	if n := apply(t, c, pod(1), changed); n == 0 {
		t.Error("the vanished port was not made again")
	}
}

// TestPortGoesMeanwhile: a port is deleted after it was planned into a group
// that had lost it, be it that the replica had heard of the group alone. The
// server would drop the reference without a word.
func TestPortGoesMeanwhile(t *testing.T) {
	t.Parallel()
	db := ovntest.Northbound(t)
	c := dial(t, db)
	apply(t, c, owner("Base", "b"), base)
	apply(t, c, pod(1), podState(1, "g1"))
	want := dump(db)
	db.Transact(`{"op":"update","table":"Port_Group","where":[["name","==","g1"]],"row":{"ports":["set",[]]}}`)
	v := c.current.view
	g1, port := rowID("Port_Group", "g1"), rowID("Logical_Switch_Port", "p1.ns")
	waitUntil(t, "the empty group is seen", func() bool { return !v.member(place{id: g1}, port) })
	u := must(v.plan(pod(1), podState(1, "g1")))
	db.Transact(`{"op":"update","table":"Logical_Switch","where":[["name","==","net"]],"row":{"ports":["set",[]]}}`)
	c.current.commits.expected.Add(1)
	c.current.commits.hand(u)
	if err := <-u.result; !errors.Is(err, errStale) {
		t.Errorf("a port that is gone went into its group: %v", err)
	}
	apply(t, c, pod(1), podState(1, "g1"))
	if diff := cmp.Diff(want, dump(db)); diff != "" {
		t.Errorf("planned anew, the rows are not as before: %s", diff)
	}
}

// TestAdoption takes over what a real Kube-OVN left.
func TestAdoption(t *testing.T) {
	t.Parallel()
	db := ovntest.Northbound(t)
	c := dial(t, db)
	db.Transact(
		`{"op":"insert","table":"Logical_Switch_Port","uuid-name":"p","row":{"name":"a.ns","addresses":"dynamic","external_ids":["map",[["vendor","kube-ovn"],["ls","net"],["pod","ns/a"]]]}}`,
		`{"op":"insert","table":"Logical_Switch_Port","uuid-name":"q","row":{"name":"b.ns","external_ids":["map",[["vendor","kube-ovn"],["ls","elsewhere"]]]}}`,
		`{"op":"insert","table":"Logical_Switch_Port","uuid-name":"x","row":{"name":"foreign"}}`,
		`{"op":"insert","table":"Logical_Switch","row":{"name":"net","ports":["set",[["named-uuid","p"],["named-uuid","q"],["named-uuid","x"]]],"external_ids":["map",[["vendor","kube-ovn"]]]}}`,
		`{"op":"insert","table":"Logical_Switch","row":{"name":"twice","external_ids":["map",[["vendor","kube-ovn"]]]}}`,
		`{"op":"insert","table":"Logical_Switch","row":{"name":"twice","external_ids":["map",[["vendor","kube-ovn"]]]}}`,
		`{"op":"insert","table":"Logical_Switch","row":{"name":"theirs"}}`,
	)
	// They come into view one by one, in any order.
	seen := func(table string, names ...string) (count int) {
		for _, name := range names {
			count += len(must(c.current.view.named(table, name)))
		}
		return count
	}
	waitUntil(t, "the rows are seen", func() bool {
		return seen("Logical_Switch", "net", "twice", "theirs")+seen("Logical_Switch_Port", "a.ns", "b.ns", "foreign") == 7
	})
	ids := func(table, name string) string { return must(c.current.view.named(table, name))[0].GetUUID() }
	netID, portID := ids("Logical_Switch", "net"), ids("Logical_Switch_Port", "a.ns")

	port := func(name string) logical.State {
		return logical.State{SwitchPorts: []logical.SwitchPort{{Switch: "net", Name: name, Addresses: []string{"unknown"}}}}
	}
	net := logical.State{Switches: []logical.Switch{{Name: "net"}}}
	// A pod may come before its subnet: the switch is there, whoever owns it.
	apply(t, c, pod(1), port("a.ns"))
	apply(t, c, owner("Subnet", "net"), net)
	if n := apply(t, c, pod(1), port("a.ns")) + apply(t, c, owner("Subnet", "net"), net); n != 0 {
		t.Errorf("%d operations the second time", n)
	}
	if ids("Logical_Switch", "net") != netID || ids("Logical_Switch_Port", "a.ns") != portID {
		t.Error("the rows have other UUIDs than before")
	}
	for name, s := range map[string]logical.State{
		`is on "elsewhere"`:   port("b.ns"),
		"made by someone":     port("foreign"),
		"2 rows":              {Switches: []logical.Switch{{Name: "twice"}}},
		"delete it, or renam": {Switches: []logical.Switch{{Name: "theirs"}}},
		"belongs to Pod/ns/":  port("a.ns"),
	} {
		_, err := c.Apply(t.Context(), owner("Law", "l"), s)
		var refused *ConstraintError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	apply(t, c, pod(1), logical.State{})
	if got := db.Dump("Logical_Switch_Port", "name"); strings.Contains(got, "a.ns") || !strings.Contains(got, "foreign") {
		t.Error(got)
	}
}

// TestDeposedLeader: a client that dialled earlier writes nothing any more, be
// it on its old connection or on a new one.
func TestDeposedLeader(t *testing.T) {
	t.Parallel()
	db := ovntest.Northbound(t)
	old := dial(t, db)
	apply(t, old, owner("Base", "b"), base)
	renewed := dial(t, db)
	renewed.Close() // it was the writer, and stays it

	_, err := old.Apply(t.Context(), pod(1), podState(1, "g1"))
	if !errors.Is(err, ErrDeposed) {
		t.Errorf("on the old connection: %v", err)
	}
	waitUntil(t, "the client has stopped", func() bool { return !old.Connected() })
	if _, err = old.Apply(t.Context(), pod(1), podState(1, "g1")); !errors.Is(err, ErrDeposed) {
		t.Errorf("on a new connection: %v", err)
	}
	if got := db.Dump("Logical_Switch_Port"); strings.Contains(got, "p1.ns") {
		t.Error(got)
	}
	last := dial(t, db)
	apply(t, last, pod(1), podState(1, "g1"))
}

// TestFenceMeetsNorthd: ovn-northd and Dial both make the row that a new
// database lacks.
func TestFenceMeetsNorthd(t *testing.T) {
	t.Parallel()
	for range 3 {
		n := ovntest.Start(t)
		c := dial(t, n.NB)
		apply(t, c, owner("Base", "b"), base)
		n.Sync()
		if got := uuids(n.NB, "NB_Global", "_uuid"); got != 1 {
			t.Errorf("%d rows of NB_Global", got)
		}
	}
}
