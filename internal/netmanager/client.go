package netmanager

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"syscall"

	"github.com/godbus/dbus/v5"
)

// Where a machine has its system bus, and the rules of udev that last until the
// next boot (systemd-udevd(8)).
const (
	DefaultBus   = "/run/dbus/system_bus_socket"
	DefaultRules = "/run/udev/rules.d"
)

// Client speaks to NetworkManager over the machine's bus.
type Client struct {
	bus   string // path of the socket
	rules string // directory
	hints chan struct{}

	mu   sync.Mutex // over conn
	conn *dbus.Conn
}

// New names the bus's socket and the directory of udev's rules. Neither has to
// be there.
func New(bus, rules string) *Client {
	return &Client{bus: bus, rules: rules, hints: make(chan struct{}, 1)}
}

// Changed gives one hint for any number of changes of what Devices tells, and
// when NetworkManager comes, goes or is restarted. Hints begin with the first
// call of Devices that finds a bus.
func (c *Client) Changed() <-chan struct{} { return c.hints }

// Close ends the connection.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// connect gives the connection to the bus, made on first use and again after it
// was lost. It is nil on a machine without a bus, or whose bus has ended and left
// its socket behind.
func (c *Client) connect(ctx context.Context) (*dbus.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil && c.conn.Connected() {
		return c.conn, nil
	}
	conn, err := dbus.Connect("unix:path=" + c.bus)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("connect to the system bus %s: %w", c.bus, err)
	}
	if err := c.listen(ctx, conn); err != nil {
		conn.Close()
		return nil, fmt.Errorf("listen to NetworkManager: %w", err)
	}
	c.conn = conn
	return conn, nil
}
