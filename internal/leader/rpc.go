package leader

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
)

// message is one JSON-RPC 1.0 message as OVSDB (RFC 7047, section 4) and the
// control sockets of OVS and OVN use it: a request, a reply or a notification.
type message struct {
	ID     any             `json:"id"`
	Method string          `json:"method,omitempty"`
	Params any             `json:"params,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  any             `json:"error,omitempty"`
}

// connection is one JSON-RPC peer. It ends with the context it was made with.
type connection struct {
	net.Conn
	in   *json.Decoder
	out  *json.Encoder
	stop func() bool
}

func dial(ctx context.Context, socket string) (*connection, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, err
	}
	return &connection{
		Conn: conn, in: json.NewDecoder(conn), out: json.NewEncoder(conn),
		// A blocked read knows no context, but it ends with its socket.
		stop: context.AfterFunc(ctx, func() { conn.Close() }),
	}, nil
}

func (c *connection) close() {
	c.stop()
	c.Conn.Close()
}

// request sends a request; its reply comes through receive.
func (c *connection) request(method string, params any) error {
	return c.out.Encode(message{ID: method, Method: method, Params: params})
}

// receive returns the next message that is not a liveness probe; those it
// answers, because a server drops clients that do not.
func (c *connection) receive() (message, error) {
	for {
		var received message
		if err := c.in.Decode(&received); err != nil {
			return message{}, err
		}
		if received.Error != nil {
			return message{}, fmt.Errorf("refused: %v", received.Error)
		}
		if received.Method != "echo" {
			return received, nil
		}
		reply := map[string]any{"id": received.ID, "result": received.Params, "error": nil}
		if err := c.out.Encode(reply); err != nil {
			return message{}, err
		}
	}
}

// call sends one request and returns its reply's text.
func call(ctx context.Context, socket, method string) (string, error) {
	conn, err := dial(ctx, socket)
	if err != nil {
		return "", err
	}
	defer conn.close()
	if err := conn.request(method, []string{}); err != nil {
		return "", err
	}
	reply, err := conn.receive()
	if err != nil {
		return "", err
	}
	var text string
	return text, json.Unmarshal(reply.Result, &text)
}
