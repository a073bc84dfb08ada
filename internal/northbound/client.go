package northbound

import (
	"context"
	"crypto/tls"
	"errors"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"hawser/internal/logical"
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
type Client struct{}

var errSkeleton = errors.New("not built yet")

// Dial connects to the leader and returns once the whole content is known.
func Dial(ctx context.Context, cfg Config) (*Client, error) { return nil, errSkeleton }

// Apply makes the rows of an owner be what the state says, in one transaction,
// and returns once it is committed. The zero State deletes all rows of the
// owner. It returns the number of operations sent, 0 if all was as wanted.
func (c *Client) Apply(ctx context.Context, o logical.Owner, want logical.State) (changed int, err error) {
	return 0, errSkeleton
}

// Owners lists every owner that has rows.
func (c *Client) Owners() []logical.Owner { return nil }

// Connected tells whether the database's leader is being talked to.
func (c *Client) Connected() bool { return false }

// Close ends the connection; callers that still wait get an error.
func (c *Client) Close() {}
