package northbound

import (
	"strings"
	"testing"
	"time"

	"hawser/test/ovntest"
)

// TestLeaderIsKilled kills the leader of three servers under writers: all
// writes land at the next leader.
func TestLeaderIsKilled(t *testing.T) {
	t.Parallel()
	servers := ovntest.Cluster(t, 3)
	var endpoints []string
	for _, s := range servers {
		endpoints = append(endpoints, s.Endpoint)
	}
	c := dialWith(t, Config{Endpoints: endpoints})
	apply(t, c, owner("Base", "b"), base)
	const pods = 600
	killed := make(chan time.Time, 1)
	operations := inParallel(t, pods, 16, func(i int) (int, error) {
		if i == pods/2 {
			leader(t, servers).Kill()
			killed <- time.Now()
		}
		n, err := c.Apply(t.Context(), pod(i), podState(i, "g1"))
		if i == pods/2 {
			t.Logf("the next write landed after %s", time.Since(<-killed))
		}
		return n, err
	})
	t.Logf("%d operations for %d pods", operations, pods)
	if n := inParallel(t, pods, 16, func(i int) (int, error) { return c.Apply(t.Context(), pod(i), podState(i, "g1")) }); n != 0 {
		t.Errorf("%d operations were missing", n)
	}
}

// TestLeadershipMoves: a leader that steps down is left for the new one.
func TestLeadershipMoves(t *testing.T) {
	t.Parallel()
	servers := ovntest.Cluster(t, 3)
	var endpoints []string
	for _, s := range servers {
		endpoints = append(endpoints, s.Endpoint)
	}
	c := dialWith(t, Config{Endpoints: endpoints})
	old := leader(t, servers)
	old.Control("cluster/failure-test", "transfer-leadership")
	<-c.Renewed()
	apply(t, c, owner("Base", "b"), base)
	if now := leader(t, servers); now == old || c.current.libovsdb.CurrentEndpoint() != now.Endpoint {
		t.Errorf("connected to %s, while %s leads and %s led", c.current.libovsdb.CurrentEndpoint(), now.Endpoint, old.Endpoint)
	}
}

func leader(t *testing.T, servers []*ovntest.Database) (found *ovntest.Database) {
	t.Helper()
	waitUntil(t, "a server leads", func() bool {
		for _, s := range servers {
			if s.Leads() {
				found = s
				return true
			}
		}
		return false
	})
	return found
}

func TestTLS(t *testing.T) {
	t.Parallel()
	endpoint, client, db := ovntest.Secure(t)
	c := dialWith(t, Config{Endpoints: []string{endpoint}, TLS: client})
	apply(t, c, owner("Base", "b"), base)
	if got := db.Dump("Logical_Switch", "name"); !strings.Contains(got, "net2") {
		t.Error(got)
	}
}
