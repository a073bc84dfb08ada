package northbound

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"
)

const (
	// maxOperations bounds a transaction, so that one takes the server some 30 ms.
	maxOperations = 200
	// company is how long a unit waits for others that are being planned. Nobody
	// waits who is alone.
	company = 2 * time.Millisecond
	// pace is the time from one transaction to the next while each has several
	// units to carry. For every transaction, however small, ovn-northd looks at
	// all port groups, and every ovn-controller at what came of that.
	pace = 50 * time.Millisecond
)

// errLost says that the connection went away with the outcome unknown.
var errLost = errors.New("connection to the northbound database lost")

// committer shares transactions among units (group commit): while one is on its
// way, the units that arrive gather for the next.
type committer struct {
	transact transactor
	fence    fence
	arrivals chan *unit
	expected atomic.Int32 // callers that are planning, and may hand in a unit soon
	over     chan struct{}
	deposed  func() // called when the fence refused a transaction
	metrics  *metrics
	pace     time.Duration
	sent     time.Time // when the latest transaction went
	crowded  bool      // it had several units
}

func newCommitter(transact transactor, f fence, m *metrics) *committer {
	return &committer{transact: transact, fence: f, arrivals: make(chan *unit), over: make(chan struct{}), deposed: func() {}, metrics: m, pace: pace}
}

// hand gives in a unit that was expected; its result arrives in its channel.
func (c *committer) hand(u *unit) {
	select {
	case c.arrivals <- u:
	case <-c.over:
		u.result <- errLost
	case <-u.ctx.Done():
		c.expected.Add(-1)
		u.result <- u.ctx.Err()
	}
}

// run commits until ctx ends. Every unit that was handed in gets a result.
func (c *committer) run(ctx context.Context) {
	var waiting []*unit
	for c.gather(ctx, &waiting) {
		var batch []*unit
		batch, waiting = take(waiting)
		c.sent, c.crowded = time.Now(), len(batch) > 1
		c.commit(ctx, batch)
	}
	close(c.over)
	tell(waiting, func(*unit) error { return errLost })
}

// gather waits for a unit and then for those that are about to come, until a
// transaction is full or their time is over. It is false when ctx ends.
func (c *committer) gather(ctx context.Context, waiting *[]*unit) bool {
	timeout := time.NewTimer(c.patience())
	defer timeout.Stop()
	for size := operations(*waiting); size < maxOperations; size = operations(*waiting) {
		late := timeout.C
		switch {
		case len(*waiting) == 0:
			late = nil
		case !c.crowded && c.expected.Load() == 0:
			late = ready
		}
		select {
		case u := <-c.arrivals:
			if len(*waiting) == 0 {
				timeout.Reset(c.patience())
			}
			c.expected.Add(-1)
			*waiting = append(*waiting, u)
		case <-late:
			return true
		case <-ctx.Done():
			return false
		}
	}
	return ctx.Err() == nil
}

// patience is how long the first unit of a transaction waits for others. A crowd
// keeps the pace; that ends with the first transaction of a single unit.
func (c *committer) patience() time.Duration {
	if !c.crowded {
		return company
	}
	return max(company, c.pace-time.Since(c.sent))
}

// ready is a channel that never makes anyone wait.
var ready = func() <-chan time.Time { c := make(chan time.Time); close(c); return c }()

func operations(units []*unit) (n int) {
	for _, u := range units {
		n += len(u.operations)
	}
	return n
}

// take picks the units that can share a transaction, in the order of their
// arrival: as many as fit, none that touches the rows of another, and none that
// would overtake one on the same rows. Units of callers that gave up are dropped.
func take(waiting []*unit) (batch, left []*unit) {
	claims, leans, size := map[string]bool{}, map[string]bool{}, 0
	for _, u := range waiting {
		if u.ctx.Err() != nil {
			u.result <- u.ctx.Err()
			continue
		}
		fits := len(batch) == 0 || size+len(u.operations) <= maxOperations
		if fits && !collides(u, claims, leans) {
			batch = append(batch, u)
			size += len(u.operations)
		} else {
			left = append(left, u)
		}
		for id := range u.claims {
			claims[id] = true
		}
		for id := range u.leans {
			leans[id] = true
		}
	}
	return batch, left
}

func collides(u *unit, claims, leans map[string]bool) bool {
	for id := range u.claims {
		if claims[id] || leans[id] {
			return true
		}
	}
	for id := range u.leans {
		if claims[id] {
			return true
		}
	}
	return false
}

// commit writes the units and tells each its own result. Units that the server
// blames are told so and left out, and the others are tried again; if it
// refuses the whole without blaming one, halves are tried.
func (c *committer) commit(ctx context.Context, units []*unit) {
	for len(units) > 0 {
		t := assemble(units, c.fence)
		results, err := c.send(ctx, t)
		if err != nil {
			tell(units, func(*unit) error { return fmt.Errorf("%w: %w", errLost, err) })
			return
		}
		f, failed := t.failure(results)
		if !failed {
			for i, u := range units {
				u.result <- t.verdict(i, results)
			}
			return
		}
		guilty, why := t.blame(f)
		switch {
		case f.index == 0:
			tell(units, func(*unit) error { return ErrDeposed })
			c.deposed()
			return
		case len(guilty) > 0:
			tell(guilty, why)
			units = except(units, guilty)
		case !f.isRefusal():
			tell(units, func(u *unit) error { return &ServerError{Owner: u.owner, Reason: f.reason} })
			return
		case len(units) == 1:
			tell(units, refusal(f.reason))
			return
		default:
			c.commit(ctx, units[:len(units)/2])
			units = units[len(units)/2:]
		}
	}
}

func (c *committer) send(ctx context.Context, t transaction) ([]ovsdb.OperationResult, error) {
	began := time.Now()
	results, err := c.transact(ctx, t.operations)
	_, failed := t.failure(results)
	c.metrics.observe(sent{units: len(t.units), operations: len(t.operations), took: time.Since(began), lost: err != nil, refused: failed})
	return results, err
}

func tell(units []*unit, what func(*unit) error) {
	for _, u := range units {
		u.result <- what(u)
	}
}

func except(units, some []*unit) []*unit {
	out := make([]*unit, 0, len(units))
	dropped := make(map[*unit]bool, len(some))
	for _, u := range some {
		dropped[u] = true
	}
	for _, u := range units {
		if !dropped[u] {
			out = append(out, u)
		}
	}
	return out
}
