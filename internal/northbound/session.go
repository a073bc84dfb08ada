package northbound

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ovn-kubernetes/libovsdb/client"
	"github.com/ovn-kubernetes/libovsdb/model"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"hawser/internal/logical"
)

const (
	// connectTimeout bounds the connection to one endpoint, so that a dead node
	// does not keep us from the next.
	connectTimeout = 5 * time.Second
	// fillTimeout bounds the transfer of the whole database.
	fillTimeout = 60 * time.Second
	// transactTimeout bounds one transaction; a server that needs longer hangs.
	transactTimeout = 30 * time.Second
	// probeInterval is how often a server is asked for a sign of life. A machine
	// that lost its power says nothing, so that asking is the only way to know.
	probeInterval = 5 * time.Second
)

// session is one connection to the leader, with a replica of the database that
// was complete when the session began. It ends with its connection and is never
// revived, so that nobody reads a replica that is stale or half filled: what
// was read holds if the session is alive after the reading.
type session struct {
	libovsdb client.Client
	server   client.Client // tells whether the server still leads
	view     view
	commits  *committer
	ctx      context.Context // ends with the session
	end      context.CancelCauseFunc
	stopped  sync.WaitGroup
}

// opening is what a session gets from the client that it is made for.
type opening struct {
	fence   fence
	first   bool // later ones do not take the fence from another client
	metrics *metrics
}

// open connects to the first endpoint that leads.
func open(ctx context.Context, cfg Config, how opening) (*session, error) {
	var failed attempts
	for _, endpoint := range cfg.Endpoints {
		s, err := openEndpoint(ctx, cfg, endpoint, how)
		if err == nil {
			return s, nil
		}
		failed = append(failed, fmt.Errorf("%s: %w", endpoint, err))
	}
	return nil, failed
}

// attempts are what went wrong at each endpoint, in one line.
type attempts []error

// Error joins them.
func (a attempts) Error() string {
	texts := make([]string, 0, len(a))
	for _, err := range a {
		texts = append(texts, err.Error())
	}
	return strings.Join(texts, "; ")
}

// Unwrap lets errors.Is look at each.
func (a attempts) Unwrap() []error { return a }

func openEndpoint(ctx context.Context, cfg Config, endpoint string, how opening) (*session, error) {
	s := &session{}
	s.ctx, s.end = context.WithCancelCause(ctx)
	if err := s.connect(cfg, endpoint); err != nil {
		s.close()
		return nil, err
	}
	s.view = newView(s.libovsdb.Cache())
	if err := how.fence.raise(s.ctx, s.transact, how.first); err != nil {
		s.close()
		return nil, err
	}
	s.commits = newCommitter(s.transact, how.fence, how.metrics)
	s.commits.deposed = func() { s.end(ErrDeposed) }
	s.stopped.Go(func() { s.commits.run(s.ctx) })
	s.stopped.Go(s.watch)
	return s, nil
}

func (s *session) connect(cfg Config, endpoint string) (err error) {
	short, cancel := context.WithTimeout(s.ctx, connectTimeout)
	defer cancel()
	if s.server, err = watchLeader(short, cfg, endpoint, s.end); err != nil {
		return err
	}
	if s.libovsdb, err = newLibovsdb(pruned.Client(), cfg, endpoint); err != nil {
		return err
	}
	if err := s.libovsdb.Connect(short); err != nil {
		return err
	}
	long, cancel := context.WithTimeout(s.ctx, fillTimeout)
	defer cancel()
	if _, err := s.libovsdb.Monitor(long, wholeContent()); err != nil {
		return fmt.Errorf("reading the database: %w", err)
	}
	return nil
}

func newLibovsdb(database model.ClientDBModel, cfg Config, endpoint string) (client.Client, error) {
	options := []client.Option{client.WithEndpoint(endpoint), client.WithLogger(&cfg.Logger)}
	if cfg.TLS != nil {
		options = append(options, client.WithTLSConfig(cfg.TLS))
	}
	libovsdb, err := client.NewOVSDBClient(database, options...)
	if err != nil {
		return nil, err // and not the typed nil that came with it
	}
	return libovsdb, nil
}

// wholeContent asks for all rows but only the columns that are read. The older
// monitor_cond is what makes libovsdb report a replica that went wrong; picking
// up where the last connection ended is of no use to a session.
func wholeContent() *client.Monitor {
	m := &client.Monitor{Method: ovsdb.ConditionalMonitorRPC}
	for _, table := range tableNames {
		t := client.TableMonitor{Table: table}
		for column := range pruned.Schema.Table(table).Columns {
			t.Fields = append(t.Fields, column)
		}
		m.Tables = append(m.Tables, t)
	}
	return m
}

// watch ends the session when the server closes the connection, stops leading
// or gives no sign of life.
func (s *session) watch() {
	probe := time.NewTicker(probeInterval)
	defer probe.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.libovsdb.DisconnectNotify():
			s.end(errHungUp)
			return
		case <-s.server.DisconnectNotify():
			s.end(errHungUp)
			return
		case <-probe.C:
			s.probe()
		}
	}
}

var errHungUp = errors.New("the server closed the connection")

func (s *session) probe() {
	ctx, cancel := context.WithTimeout(s.ctx, probeInterval)
	defer cancel()
	if err := s.libovsdb.Echo(ctx); err != nil {
		s.end(fmt.Errorf("no sign of life: %w", err))
	}
}

func (s *session) transact(ctx context.Context, operations []ovsdb.Operation) ([]ovsdb.OperationResult, error) {
	ctx, cancel := context.WithTimeout(ctx, transactTimeout)
	defer cancel()
	results, err := s.libovsdb.Transact(ctx, operations...)
	if err != nil {
		// Whether it was carried out is unknown, and so is whether the replica
		// will ever show it: only a new session can tell.
		s.end(fmt.Errorf("transaction: %w", err))
	}
	return results, err
}

// submit plans what an owner wants and hands it in. If there is nothing to do,
// the unit has no operations, and its result at once.
func (s *session) submit(ctx context.Context, o logical.Owner, want logical.State) (*unit, error) {
	s.commits.expected.Add(1)
	u, err := s.view.plan(o, want)
	if !s.alive() { // the replica may have been in pieces
		err = errLost
	}
	if err != nil || len(u.operations) == 0 {
		s.commits.expected.Add(-1)
	}
	if err != nil {
		return nil, err
	}
	if len(u.operations) == 0 {
		u.result <- nil
		return u, nil
	}
	u.ctx = ctx
	s.commits.hand(u)
	return u, nil
}

func (s *session) alive() bool { return s.ctx.Err() == nil }

// close ends the session and waits until it has let go of everything.
func (s *session) close() {
	s.end(errors.New("closed"))
	s.stopped.Wait()
	for _, connection := range []client.Client{s.libovsdb, s.server} {
		if connection != nil {
			connection.Close()
		}
	}
}
