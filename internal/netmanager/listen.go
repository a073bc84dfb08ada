package netmanager

import (
	"context"

	"github.com/godbus/dbus/v5"
)

// listen asks for the signals that Changed turns into hints.
func (c *Client) listen(ctx context.Context, conn *dbus.Conn) error {
	signals := make(chan *dbus.Signal, 64)
	conn.Signal(signals)
	go c.hear(signals)
	for _, rule := range [][]dbus.MatchOption{
		{dbus.WithMatchSender(service), dbus.WithMatchPathNamespace("/org/freedesktop")},
		{dbus.WithMatchSender("org.freedesktop.DBus"), dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, service)},
	} {
		if err := conn.AddMatchSignalContext(ctx, rule...); err != nil {
			return err
		}
	}
	return nil
}

// hear runs until the connection is closed, which is a hint itself: whoever
// takes it looks again, and so connects again.
func (c *Client) hear(signals <-chan *dbus.Signal) {
	for signal := range signals {
		if matters(signal) {
			c.hint()
		}
	}
	c.hint()
}

// matters keeps away what NetworkManager says all day, such as statistics and
// the lifetimes of addresses.
func matters(signal *dbus.Signal) bool {
	if signal.Name != "org.freedesktop.DBus.Properties.PropertiesChanged" {
		return true
	}
	if len(signal.Body) < 2 || signal.Body[0] != deviceInterface {
		return false
	}
	changed, _ := signal.Body[1].(map[string]dbus.Variant)
	for _, property := range []string{"State", "Managed", "ActiveConnection", "Interface"} {
		if _, told := changed[property]; told {
			return true
		}
	}
	return false
}

// hint never blocks: a second hint before the first is taken adds nothing.
func (c *Client) hint() {
	select {
	case c.hints <- struct{}{}:
	default:
	}
}
