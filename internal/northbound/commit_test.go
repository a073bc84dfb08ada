package northbound

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"
	"github.com/prometheus/client_golang/prometheus"

	"hawser/internal/logical"
	"hawser/test/ovntest"
)

func pod(i int) logical.Owner {
	return logical.Owner{Kind: "Pod", Namespace: "ns", Name: fmt.Sprintf("p%d", i)}
}

func podState(i int, group string) logical.State {
	return logical.State{SwitchPorts: []logical.SwitchPort{{
		Switch: "net", Name: fmt.Sprintf("p%d.ns", i), Groups: []string{group},
		Addresses:   []string{fmt.Sprintf("0a:00:00:00:%02x:%02x 10.0.%d.%d", i>>8, i&255, i>>8, i&255)},
		ExternalIDs: map[string]string{"ls": "net", "pod": fmt.Sprintf("ns/p%d", i)},
	}}}
}

// spoil makes a unit fail in one of the three ways of a transaction.
var spoil = map[string]func(u *unit){
	"failed guard": func(u *unit) {
		gone := place{table: "Logical_Switch", name: "gone-" + u.owner.Name, id: rowID("Logical_Switch", "gone")}
		u.leans[gone.id] = gone
	},
	"indexed error": func(u *unit) { u.operations[0].Row["tag"] = 5000 },
	"commit error":  func(u *unit) { u.operations[0].Row["name"] = "taken" },
}

// TestBadUnitsFallAlone hands in 100 units of which some are bad. The good ones
// land, and each of the bad ones gets its own error.
func TestBadUnitsFallAlone(t *testing.T) {
	bad := map[string]map[int]string{"all three ways at once": {}}
	for i, how := range []string{"failed guard", "indexed error", "commit error"} {
		bad[how] = map[int]string{3: how, 50: how, 99: how}
		for _, unit := range []int{0, 40, 96} {
			bad["all three ways at once"][unit+i] = how
		}
	}
	for name, which := range bad {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hundred(t, which)
		})
	}
}

func hundred(t *testing.T, bad map[int]string) {
	db := ovntest.Northbound(t)
	c := dial(t, db)
	apply(t, c, owner("Base", "b"), base)
	apply(t, c, owner("Pod", "taken"), logical.State{SwitchPorts: []logical.SwitchPort{{Switch: "net", Name: "taken"}}})
	s := c.current
	units := make([]*unit, 100)
	for i := range units {
		u, err := s.view.plan(pod(i), podState(i, "g1"))
		if err != nil {
			t.Fatal(err)
		}
		if how := bad[i]; how != "" {
			spoil[how](u)
		}
		units[i] = u
	}
	before := count(c, "refused")
	s.commits.expected.Add(100)
	for _, u := range units {
		go s.commits.hand(u)
	}
	for i, u := range units {
		checkResult(t, bad[i], i, <-u.result)
	}
	refused := count(c, "refused") - before
	t.Logf("%d bad units cost %v refused transactions", len(bad), refused)
	if got := strings.Count(db.Dump("Logical_Switch_Port"), `pod="ns/p`); got != 100-len(bad) {
		t.Errorf("%d ports landed instead of %d", got, 100-len(bad))
	}
}

func checkResult(t *testing.T, how string, i int, err error) {
	t.Helper()
	var refused *ConstraintError
	isRefused := errors.As(err, &refused)
	switch how {
	case "":
		if err != nil {
			t.Errorf("good unit %d: %v", i, err)
		}
	case "failed guard":
		if !errors.Is(err, ErrParentMissing) {
			t.Errorf("unit %d, %s: %v", i, how, err)
		}
	case "indexed error":
		if !isRefused || refused.Owner != pod(i) || !strings.Contains(err.Error(), "5000") {
			t.Errorf("unit %d, %s: %v", i, how, err)
		}
	case "commit error":
		if !isRefused || refused.Owner != pod(i) || !strings.Contains(err.Error(), "taken") {
			t.Errorf("unit %d, %s: %v", i, how, err)
		}
	}
}

// TestManyWorkers applies 2,000 ports with 64 workers: they share transactions.
func TestManyWorkers(t *testing.T) {
	db := ovntest.Northbound(t)
	c := dial(t, db)
	apply(t, c, owner("Base", "b"), base)
	const pods = 2000
	for _, round := range []struct {
		what  string
		state func(i int) logical.State
		each  int
	}{
		{"create", func(i int) logical.State { return podState(i, "g1") }, 3},
		{"nothing new", func(i int) logical.State { return podState(i, "g1") }, 0},
		{"other group", func(i int) logical.State { return podState(i, "g2") }, 3},
		{"delete", func(int) logical.State { return logical.State{} }, 1},
	} {
		before, began := count(c, "committed"), time.Now()
		operations := inParallel(t, pods, 64, func(i int) (int, error) { return c.Apply(t.Context(), pod(i), round.state(i)) })
		transactions := count(c, "committed") - before
		t.Logf("%-12s %d pods, 64 workers: %v transactions, %d operations, %s", round.what, pods, transactions, operations, time.Since(began))
		if operations != round.each*pods {
			t.Errorf("%s: %d operations instead of %d", round.what, operations, round.each*pods)
		}
		if transactions > pods/10 {
			t.Errorf("%s: %v transactions are too many", round.what, transactions)
		}
	}
}

func inParallel(t testing.TB, jobs, workers int, do func(i int) (int, error)) (sum int) {
	t.Helper()
	next, results := make(chan int), make(chan int, jobs)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for i := range next {
				n, err := do(i)
				if err != nil {
					t.Errorf("job %d: %v", i, err)
				}
				results <- n
			}
		})
	}
	for i := range jobs {
		next <- i
	}
	close(next)
	all.Wait()
	close(results)
	for n := range results {
		sum += n
	}
	return sum
}

// TestNobodyWaitsAlone: a single caller does not pay the time of company.
func TestNobodyWaitsAlone(t *testing.T) {
	var sent int
	c := newCommitter(func(_ context.Context, operations []operation) ([]result, error) {
		sent++
		return make([]result, len(operations)), nil
	}, newFence(), must(newMetrics(nil)))
	ctx, stop := context.WithCancel(t.Context())
	var over sync.WaitGroup
	over.Go(func() { c.run(ctx) })
	const rounds = 200
	began := time.Now()
	for range rounds {
		u := newUnit(pod(0))
		c.expected.Add(1)
		c.hand(u)
		if err := <-u.result; err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took > rounds*company {
		t.Errorf("%d units one after another took %s", rounds, took)
	}
	stop()
	over.Wait()
	u := newUnit(pod(0))
	c.hand(u)
	if err := <-u.result; !errors.Is(err, errLost) {
		t.Errorf("after the end: %v", err)
	}
	if sent != rounds {
		t.Errorf("%d transactions for %d units", sent, rounds)
	}
}

// TestCrowdsKeepThePace: what comes after a shared transaction waits for more.
// The pace here is so slow that only a full transaction ends the waiting.
func TestCrowdsKeepThePace(t *testing.T) {
	sizes := make(chan int, 10)
	c := newCommitter(func(_ context.Context, operations []operation) ([]result, error) {
		sizes <- len(operations) - 1 // the fence apart
		return make([]result, len(operations)), nil
	}, newFence(), must(newMetrics(nil)))
	c.pace, c.sent, c.crowded = time.Hour, time.Now(), true
	ctx, stop := context.WithCancel(t.Context())
	var over sync.WaitGroup
	over.Go(func() { c.run(ctx) })
	for i := range 2 * maxOperations {
		u := newUnit(pod(i))
		u.operations = []operation{insert(row{table: "Logical_Switch", id: u.owner.Name})}
		c.expected.Add(1)
		c.hand(u)
	}
	for range 2 {
		if size := <-sizes; size != maxOperations {
			t.Errorf("a transaction of %d operations", size)
		}
	}
	stop()
	over.Wait()
}

// TestPatience: a crowd waits for the rest of the pace, a lone unit for company.
func TestPatience(t *testing.T) {
	c := &committer{pace: time.Hour}
	if p := c.patience(); p != company {
		t.Errorf("alone: %s", p)
	}
	c.crowded = true
	if p := c.patience(); p != company {
		t.Errorf("long after a crowd: %s", p)
	}
	c.sent = time.Now().Add(-time.Minute)
	if p := c.patience(); p <= company || p > 59*time.Minute {
		t.Errorf("a minute after a crowd: %s", p)
	}
}

// TestServerTrouble: what is not about a unit hits all, and is not searched for.
func TestServerTrouble(t *testing.T) {
	for _, c := range []struct {
		name    string
		results []result
		err     error
		want    string
	}{
		{"full disk", []result{{}, {}, {}, {Error: "I/O error", Details: "no space left"}}, nil, "no space left"},
		{"short answer", []result{{}}, nil, "1 results for 3"},
		{"connection", nil, errors.New("broken pipe"), "broken pipe"},
	} {
		calls := 0
		k := newCommitter(func(context.Context, []operation) ([]result, error) { calls++; return c.results, c.err }, newFence(), must(newMetrics(nil)))
		a, b := newUnit(pod(1)), newUnit(pod(2))
		for _, u := range []*unit{a, b} {
			u.operations = []operation{insert(row{table: "Logical_Switch", id: u.owner.Name})}
		}
		k.commit(t.Context(), []*unit{a, b})
		for _, u := range []*unit{a, b} {
			if err := <-u.result; err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		if calls != 1 {
			t.Errorf("%s: %d transactions", c.name, calls)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestMetricsAreRegistered(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := must(newMetrics(registry))
	m.observe(sent{units: 3, operations: 9, lost: true})
	var names []string
	for _, f := range must(registry.Gather()) {
		names = append(names, f.GetName())
	}
	want := []string{
		"hawser_northbound_connected", "hawser_northbound_operations_total", "hawser_northbound_transaction_seconds",
		"hawser_northbound_transaction_units", "hawser_northbound_transactions_total",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	if _, err := newMetrics(registry); err == nil {
		t.Error("registered twice")
	}
}

// TestTake looks at who may share a transaction.
func TestTake(t *testing.T) {
	type u struct {
		claims, leans string
		size          int
		gone          bool
	}
	for name, c := range map[string]struct {
		units []u
		batch []int
		left  []int
	}{
		"strangers":                   {[]u{{claims: "a"}, {claims: "b"}}, []int{0, 1}, nil},
		"same parent":                 {[]u{{claims: "a", leans: "s"}, {claims: "b", leans: "s"}}, []int{0, 1}, nil},
		"same row":                    {[]u{{claims: "a"}, {claims: "a"}, {claims: "b"}}, []int{0, 2}, []int{1}},
		"child after parent's change": {[]u{{claims: "s"}, {claims: "a", leans: "s"}}, []int{0}, []int{1}},
		"parent's change after child": {[]u{{claims: "a", leans: "s"}, {claims: "s"}}, []int{0}, []int{1}},
		"no overtaking":               {[]u{{claims: "a"}, {claims: "a b"}, {claims: "b"}}, []int{0}, []int{1, 2}},
		"full":                        {[]u{{claims: "a", size: 150}, {claims: "b", size: 100}, {claims: "c", size: 50}}, []int{0, 2}, []int{1}},
		"too big for any":             {[]u{{claims: "a", size: 500}, {claims: "b", size: 1}}, []int{0}, []int{1}},
		"caller gave up":              {[]u{{claims: "a", gone: true}, {claims: "a"}}, []int{1}, nil},
	} {
		var waiting []*unit
		index := map[*unit]int{}
		for i, d := range c.units {
			x := newUnit(pod(i))
			for _, id := range strings.Fields(d.claims) {
				x.claims[id] = true
			}
			for _, id := range strings.Fields(d.leans) {
				x.leans[id] = place{id: id}
			}
			x.operations = make([]operation, d.size)
			if d.gone {
				var cancel context.CancelFunc
				x.ctx, cancel = context.WithCancel(t.Context())
				cancel()
			}
			waiting, index[x] = append(waiting, x), i
		}
		batch, left := take(waiting)
		if diff := cmp.Diff([][]int{c.batch, c.left}, [][]int{places(batch, index), places(left, index)}); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func places(units []*unit, index map[*unit]int) (out []int) {
	for _, u := range units {
		out = append(out, index[u])
	}
	return out
}

// count reads how many transactions of a client had a result.
func count(c *Client, result string) float64 {
	registry := prometheus.NewRegistry()
	registry.MustRegister(c.metrics.transactions)
	families := must(registry.Gather())
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if m.GetLabel()[0].GetValue() == result {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

type (
	operation = ovsdb.Operation
	result    = ovsdb.OperationResult
)
