package leader

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// retryAfter is how long a socket that does not answer is left alone; nothing
// tells when a server that was not there is.
const retryAfter = time.Second

// WatchDatabase reports whether the server behind a unix socket leads the named
// database, at once and then at every change, until ctx ends. A server that is
// gone does not lead. A single server always does.
func WatchDatabase(ctx context.Context, socket, database string, report func(leads bool)) {
	for ctx.Err() == nil {
		// How it ended does not matter: the server restarts, and is asked again.
		_ = follow(ctx, socket, database, report)
		report(false)
		pause(ctx, retryAfter)
	}
}

// follow monitors the server's own table of databases over one connection.
func follow(ctx context.Context, socket, database string, report func(bool)) error {
	conn, err := dial(ctx, socket)
	if err != nil {
		return err
	}
	defer conn.close()
	columns := map[string]any{"Database": map[string]any{"columns": []string{"name", "leader"}}}
	if err := conn.request("monitor", []any{"_Server", "leader", columns}); err != nil {
		return err
	}
	for {
		received, err := conn.receive()
		if err != nil {
			return err
		}
		rows, err := updates(received)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if row.New != nil && row.New.Name == database {
				report(row.New.Leader)
			}
		}
	}
}

// update is what the server says about one row: New is nil when it is gone.
type update struct {
	New *struct {
		Name   string `json:"name"`
		Leader bool   `json:"leader"`
	} `json:"new"`
}

// updates takes the rows out of the monitor's first reply, whose result they
// are, and of a later notification, whose second parameter they are.
func updates(received message) (map[string]update, error) {
	body := []byte(received.Result)
	if received.Method == "update" {
		params, ok := received.Params.([]any)
		if !ok || len(params) != 2 {
			return nil, fmt.Errorf("update with parameters %v", received.Params)
		}
		var err error
		if body, err = json.Marshal(params[1]); err != nil {
			return nil, err
		}
	}
	var tables map[string]map[string]update
	if err := json.Unmarshal(body, &tables); err != nil {
		return nil, fmt.Errorf("update: %w", err)
	}
	return tables["Database"], nil
}

// pause waits, shorter when ctx ends.
func pause(ctx context.Context, length time.Duration) {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
