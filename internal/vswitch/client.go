package vswitch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/go-logr/logr"
	"github.com/ovn-kubernetes/libovsdb/client"
	"github.com/ovn-kubernetes/libovsdb/model"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"hawser/internal/vswitch/vsdb"
)

// DefaultEndpoint is where Open vSwitch's own packages put the socket of the
// database.
const DefaultEndpoint = "unix:/run/openvswitch/db.sock"

// connectTimeout bounds one attempt to connect, the reading of all rows
// included; it takes milliseconds on a healthy node.
const connectTimeout = 5 * time.Second

// Client is a connection to the local Open_vSwitch database with a cache of the
// tables in use. It is safe for concurrent use.
type Client struct {
	db     client.Client
	turn   chan struct{} // holds one token: see Apply
	pulse  *pulse        // of all but what PortStates tells
	states *pulse        // of that too
}

// Dial connects to the database and returns when all rows are cached. It tries
// again, at growing intervals, until it succeeds or ctx ends; the logger in ctx
// hears of the connection's fate. Close ends it.
func Dial(ctx context.Context, endpoint string) (*Client, error) {
	rows, err := vsdb.FullDatabaseModel()
	if err != nil {
		return nil, fmt.Errorf("reading the model of the Open_vSwitch database: %w", err)
	}
	var c *Client
	attempt := func() error {
		c, err = connect(ctx, rows, endpoint)
		return err
	}
	if giveUp := backoff.Retry(attempt, backoff.WithContext(patience(), ctx)); giveUp != nil {
		return nil, fmt.Errorf("connecting to the Open_vSwitch database at %s (is ovsdb-server running?): %w", endpoint, errors.Join(giveUp, err))
	}
	return c, nil
}

func connect(ctx context.Context, rows model.ClientDBModel, endpoint string) (*Client, error) {
	logger := logr.FromContextOrDiscard(ctx)
	db, err := client.NewOVSDBClient(rows,
		client.WithEndpoint(endpoint),
		client.WithReconnect(connectTimeout, patience()),
		client.WithLogger(&logger))
	if err != nil {
		return nil, backoff.Permanent(err)
	}
	bounded, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if err := db.Connect(bounded); err != nil {
		return nil, err
	}
	c := &Client{db: db, turn: make(chan struct{}, 1), pulse: newPulse(), states: newPulse()}
	db.Cache().AddEventHandler(&pulses{c.pulse, c.states})
	if _, err := db.Monitor(bounded, content()); err != nil {
		db.Close()
		return nil, fmt.Errorf("reading all rows: %w", err)
	}
	return c, nil
}

// content asks for the columns of the model and no others: the server's own list
// has more, above all statistics, which change every few seconds. With this
// method a reconnection reads everything anew.
func content() *client.Monitor {
	m := &client.Monitor{Method: ovsdb.ConditionalMonitorRPC}
	for name, table := range vsdb.Schema().Tables {
		m.Tables = append(m.Tables, client.TableMonitor{Table: name, Fields: slices.Sorted(maps.Keys(table.Columns))})
	}
	return m
}

// patience never gives up: a node without its switch can only wait for it.
func patience() backoff.BackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(20*time.Millisecond),
		backoff.WithMaxInterval(time.Second),
		backoff.WithMaxElapsedTime(0))
}

// Connected tells whether the database can be reached now. (libovsdb's own
// Connected stays true after a connection is lost; its endpoint does not.)
func (c *Client) Connected() bool { return c.db.Connected() && c.db.CurrentEndpoint() != "" }

// Close ends the connection for good.
func (c *Client) Close() { c.db.Close() }

// Changed gives the caller a channel of its own, which gets a value after the
// database changed; changes that come faster than they are taken become one. It
// is a hint to look again, and it lasts as long as the Client.
func (c *Client) Changed() <-chan struct{} { return c.pulse.listen() }
