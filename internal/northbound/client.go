package northbound

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"hawser/internal/logical"
)

const (
	// retryFirst and retryMost bound the pause between attempts to connect.
	retryFirst = 50 * time.Millisecond
	retryMost  = 5 * time.Second
	// maxAttempts bounds how often one Apply plans anew because the connection
	// was lost under it, or its rows changed.
	maxAttempts = 5
)

// Config says where the northbound database is.
type Config struct {
	Endpoints []string              // OVSDB form, "tcp:192.0.2.1:6641", "ssl:[2001:db8::1]:6641", "unix:/run/ovn/ovnnb_db.sock"
	TLS       *tls.Config           // for ssl endpoints
	Logger    logr.Logger           // the zero Logger is silent
	Metrics   prometheus.Registerer // nil for none
}

// Client writes owners' states into the northbound database. It is safe for
// concurrent use.
type Client struct {
	cfg     Config
	metrics *metrics
	fence   fence
	locks   locks
	stop    context.CancelFunc
	stopped sync.WaitGroup
	renewed chan struct{}

	mu      sync.Mutex
	current *session      // nil while not connected
	failed  error         // why not
	turn    chan struct{} // closed when one of the two changes
}

// Dial connects to the leader among the endpoints and returns once the whole
// content is known and every client that dialled before is locked out: they get
// ErrDeposed. From then on the client connects again by itself. Dial tries
// until ctx ends.
func Dial(ctx context.Context, cfg Config) (*Client, error) {
	if len(cfg.Endpoints) == 0 {
		return nil, errors.New("no endpoint of the northbound database is given")
	}
	m, err := newMetrics(cfg.Metrics)
	if err != nil {
		return nil, err
	}
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	c := &Client{cfg: cfg, metrics: m, fence: newFence(), stop: stop, renewed: make(chan struct{}, 1), turn: make(chan struct{})}
	c.stopped.Go(func() { c.supervise(life) })
	if _, err := c.session(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// supervise keeps one session after the other.
func (c *Client) supervise(ctx context.Context) {
	how := opening{fence: c.fence, first: true, metrics: c.metrics}
	for pause := retryFirst; ctx.Err() == nil; {
		s, err := open(ctx, c.cfg, how)
		if errors.Is(err, ErrDeposed) {
			c.publish(nil, ErrDeposed)
			return
		}
		if err != nil {
			c.publish(nil, err)
			await(ctx, pause)
			pause = min(2*pause, retryMost)
			continue
		}
		c.publish(s, nil)
		if !how.first {
			c.announce()
		}
		pause, how.first = retryFirst, false
		<-s.ctx.Done()
		c.publish(nil, context.Cause(s.ctx))
		s.close()
	}
	c.publish(nil, errClosed)
}

func await(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (c *Client) publish(s *session, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil && (c.failed == nil || c.failed.Error() != err.Error()) {
		c.cfg.Logger.Info("not connected to the northbound database, trying on", "cause", err.Error())
	}
	if s != nil {
		c.cfg.Logger.Info("connected to the northbound database", "endpoint", s.libovsdb.CurrentEndpoint())
	}
	c.current, c.failed = s, err
	c.metrics.connected.Set(map[bool]float64{true: 1}[s != nil])
	close(c.turn)
	c.turn = make(chan struct{})
}

// session gives the current one, or waits for one until ctx ends.
func (c *Client) session(ctx context.Context) (*session, error) {
	for {
		c.mu.Lock()
		s, failed, turn := c.current, c.failed, c.turn
		c.mu.Unlock()
		if s != nil && s.alive() {
			return s, nil
		}
		if errors.Is(failed, errClosed) || errors.Is(failed, ErrDeposed) {
			return nil, failed
		}
		select {
		case <-turn:
		case <-ctx.Done():
			return nil, notConnected(failed, ctx.Err())
		}
	}
}

var errClosed = errors.New("the northbound client is closed")

func notConnected(cause, end error) error {
	if cause == nil {
		cause = errors.New("still connecting")
	}
	return fmt.Errorf("no connection to the northbound database: %w (%w)", cause, end)
}

// Apply makes the rows of an owner be what the state says, in one transaction,
// and returns once it is committed. The zero State deletes all rows of the
// owner. It returns the number of operations sent, 0 if all was as wanted.
//
// While there is no connection it waits for one until ctx ends. The error is
// ErrParentMissing if a switch, router or port group of another owner is not
// there yet, a *ConstraintError if the state cannot be written, ErrDeposed if
// another client has dialled since, and otherwise something that passes. When
// ctx ends, the state may still be committed.
func (c *Client) Apply(ctx context.Context, o logical.Owner, want logical.State) (changed int, err error) {
	if err := c.locks.lock(ctx, o); err != nil {
		return 0, fmt.Errorf("waiting for an earlier write of %s: %w", o, err)
	}
	changed, pending, err := c.apply(ctx, o, want)
	if pending == nil {
		c.locks.unlock(o)
		return changed, err
	}
	go func() {
		if err := <-pending.result; err != nil {
			c.cfg.Logger.V(1).Info("a write failed whose caller had given up", "owner", o.String(), "error", err.Error())
		}
		c.locks.unlock(o)
	}()
	return 0, fmt.Errorf("waiting for the write of %s: %w", o, ctx.Err())
}

// apply plans and writes, and again while the ground moves. If ctx ends with a
// unit on its way, it gives the unit: the owner stays locked until its result.
func (c *Client) apply(ctx context.Context, o logical.Owner, want logical.State) (changed int, pending *unit, err error) {
	for range maxAttempts {
		var u *unit
		if u, err = c.submit(ctx, o, want); err == nil {
			select {
			case err = <-u.result:
			case <-ctx.Done():
				return 0, u, nil
			}
		}
		switch {
		case err == nil:
			return len(u.operations), nil, nil
		case !errors.Is(err, errLost) && !errors.Is(err, errStale):
			return 0, nil, err
		}
	}
	return 0, nil, fmt.Errorf("writing %s failed %d times: %w", o, maxAttempts, err)
}

func (c *Client) submit(ctx context.Context, o logical.Owner, want logical.State) (*unit, error) {
	s, err := c.session(ctx)
	if err != nil {
		return nil, err
	}
	return s.submit(ctx, o, want)
}

// Owners lists every owner that has rows, as a sweep needs it. It is empty
// while there is no connection.
func (c *Client) Owners() []logical.Owner {
	c.mu.Lock()
	s := c.current
	c.mu.Unlock()
	if s == nil {
		return nil
	}
	all := s.view.owners()
	if !s.alive() {
		return nil
	}
	return all
}

// Connected tells whether the database's leader is being talked to.
func (c *Client) Connected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current != nil && c.current.alive()
}

// Renewed gives a signal after the client has connected again: the database may
// have been restored to an older state meanwhile, so that everything should be
// applied once more. Signals that nobody takes are merged.
func (c *Client) Renewed() <-chan struct{} { return c.renewed }

func (c *Client) announce() {
	select {
	case c.renewed <- struct{}{}:
	default:
	}
}

// Close ends the connection; callers that still wait get an error.
func (c *Client) Close() {
	c.stop()
	c.stopped.Wait()
}
