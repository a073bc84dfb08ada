package northbound

import (
	"context"
	"errors"
	"fmt"

	"github.com/ovn-kubernetes/libovsdb/cache"
	"github.com/ovn-kubernetes/libovsdb/client"
	"github.com/ovn-kubernetes/libovsdb/model"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"
	"github.com/ovn-kubernetes/libovsdb/ovsdb/serverdb"
)

// errFollower says that a server is not the one to write to: what followers
// know may be old.
var errFollower = errors.New("the server does not lead its cluster")

// watchLeader connects to the database in which a server describes itself, and
// fails unless the server leads. It calls lost when that changes. libovsdb has
// the like built in, but there every connection leaves a goroutine behind that
// never ends and holds a whole replica.
func watchLeader(ctx context.Context, cfg Config, endpoint string, lost func(error)) (client.Client, error) {
	about, err := serverdb.FullDatabaseModel()
	if err != nil {
		return nil, err
	}
	server, err := newLibovsdb(about, cfg, endpoint)
	if err != nil {
		return nil, err
	}
	if err := followLeader(ctx, server, lost); err != nil {
		server.Close()
		return nil, err
	}
	return server, nil
}

func followLeader(ctx context.Context, server client.Client, lost func(error)) error {
	if err := server.Connect(ctx); err != nil {
		return err
	}
	judge := func(m model.Model) {
		if isFollower(m.(*serverdb.Database)) {
			lost(errFollower)
		}
	}
	server.Cache().AddEventHandler(&cache.EventHandlerFuncs{
		AddFunc:    func(_ string, m model.Model) { judge(m) },
		UpdateFunc: func(_ string, _, m model.Model) { judge(m) },
	})
	columns := []string{"name", "model", "leader"}
	databases := &client.Monitor{Method: ovsdb.ConditionalMonitorRPC, Tables: []client.TableMonitor{{Table: serverdb.DatabaseTable, Fields: columns}}}
	if _, err := server.Monitor(ctx, databases); err != nil {
		return fmt.Errorf("asking the server about itself: %w", err)
	}
	for _, m := range server.Cache().Table(serverdb.DatabaseTable).Rows() {
		if isFollower(m.(*serverdb.Database)) {
			return errFollower
		}
	}
	return nil
}

// isFollower is false for a server that stands alone.
func isFollower(d *serverdb.Database) bool {
	return d.Name == pruned.Schema.Name && d.Model == serverdb.DatabaseModelClustered && !d.Leader
}
