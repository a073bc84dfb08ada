package vswitch

import (
	"context"
	"fmt"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"hawser/internal/vswitch/vsdb"
)

// SetExternalIDs sets the named keys of Open_vSwitch's external_ids, the place
// where ovn-controller reads its settings; an empty value removes the key, and
// keys that are not named stay as they are. It returns how many keys changed.
func (c *Client) SetExternalIDs(ctx context.Context, want map[string]string) (changed int, err error) {
	if err := c.take(ctx); err != nil {
		return 0, err
	}
	defer c.release()
	root, found := c.root(ctx)
	if !found {
		return 0, errNoRoot
	}
	edit := editOf(root.ExternalIDs, want)
	if edit.empty() {
		return 0, nil
	}
	op := ovsdb.Operation{Op: ovsdb.OperationMutate, Table: vsdb.OpenvSwitchTable, Where: byUUID(root.UUID), Mutations: edit.mutations("external_ids")}
	if err := c.commit(ctx, []ovsdb.Operation{op}); err != nil {
		return 0, fmt.Errorf("setting external_ids of Open_vSwitch: %w", err)
	}
	return edit.size(), nil
}

// ExternalID reads a key of Open_vSwitch's external_ids; "" when it is not set.
// Like all that only reads, it never waits: while the connection is down it tells
// what was last known.
func (c *Client) ExternalID(key string) string {
	root, _ := c.root(atOnce)
	return root.ExternalIDs[key]
}
