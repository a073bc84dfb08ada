package vswitch

import (
	"context"
	"fmt"
	"strconv"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"hawser/internal/host"
	"hawser/internal/vswitch/vsdb"
)

// A provider's bridge speaks RSTP, but is no way from one network to another: its
// ports are protected from each other. So it must not be one to the spanning tree
// either, which would block a link of the networks' own for it, and cut them in two.
// It is the last that becomes the root, and a way through it costs more than any
// other (ovs-vswitchd.conf.db(5), IEEE 802.1D-2004, 17.13 and 17.14).
const (
	lastPriority = "61440"
	highestCost  = "200000000"
	priorityStep = 16 // of ports, the lowest first
)

// Keys of other_config.
const (
	bridgePriorityKey = "rstp-priority"
	portCostKey       = "rstp-port-path-cost"
	portPriorityKey   = "rstp-port-priority"
)

// span has a bridge take part in the spanning tree.
func span(bridge host.Bridge) host.Bridge {
	bridge.RSTP, bridge.OtherConfig = true, with(bridge.OtherConfig, bridgePriorityKey, lastPriority)
	return bridge
}

// portConfig is what a port needs for LACP and RSTP.
func portConfig(port host.BridgePort) map[string]string {
	config := bondConfig(port)
	config[portCostKey], config[portPriorityKey] = "", ""
	if port.Place > 0 {
		config[portCostKey], config[portPriorityKey] = highestCost, strconv.Itoa(priorityStep*(port.Place-1))
	}
	return config
}

// placeOf reads a port back.
func placeOf(row vsdb.Port) int {
	priority, err := strconv.Atoi(row.OtherConfig[portPriorityKey])
	if err != nil {
		return 0
	}
	return priority/priorityStep + 1
}

// number has ovs-vswitchd tell, by cur_cfg, when it has done what stands in the same
// transaction.
func (b *batch) number(root vsdb.OpenvSwitch) {
	b.add(ovsdb.Operation{Op: ovsdb.OperationMutate, Table: vsdb.OpenvSwitchTable, Where: byUUID(root.UUID), Mutations: []ovsdb.Mutation{
		{Column: "next_cfg", Mutator: ovsdb.MutateOperationAdd, Value: 1},
	}})
}

// done returns when ovs-vswitchd has done what it was told with a number. A bridge
// that goes and comes back before it has looked did not go, as far as it can see, and
// still has RSTP (ErrSpanning).
func (u Uplinks) done(ctx context.Context) error {
	for {
		changed := u.states.next()
		root, found := u.root(ctx)
		switch {
		case !found:
			return errNoRoot
		case root.CurCfg >= root.NextCfg:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("ovs-vswitchd has yet to do what it was told last (is it running on this node?): %w", ctx.Err())
		}
	}
}
