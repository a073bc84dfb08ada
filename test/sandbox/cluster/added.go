package cluster

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"hawser/test/sandbox/lab"
	"hawser/test/sandbox/wiring"
)

// change locks the sandbox and reads what was added to it until now.
func (c *Cluster) change() (unlock func(), err error) {
	if unlock, err = c.lock(); err != nil {
		return nil, err
	}
	if c.added, err = wiring.Load(c.dir); err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

// add keeps what is added before it is there: what a kill leaves half-done,
// the same command again finishes, or up, or power on.
func (c *Cluster) add(decide func(*wiring.Wiring) error, realise func() error) error {
	unlock, err := c.change()
	if err != nil {
		return err
	}
	defer unlock()
	if err := decide(&c.added); err != nil {
		return err
	}
	if err := c.added.Save(c.dir); err != nil {
		return err
	}
	return realise()
}

// AddLAN makes a network that nobody is on yet.
func (c *Cluster) AddLAN(name string) error {
	return c.add(func(w *wiring.Wiring) error { return w.AddLAN(name) }, func() error { return c.wireLAN(name) })
}

// RemoveLAN takes away a network that nobody is on. Like every removal it
// forgets the thing when it is gone, so that a kill leaves it removable.
func (c *Cluster) RemoveLAN(name string) error {
	unlock, err := c.change()
	if err != nil {
		return err
	}
	defer unlock()
	if err := c.added.RemoveLAN(name); err != nil {
		return err
	}
	if err := lab.RemoveNamespace(c.Namespace(name)); err != nil {
		return err
	}
	return c.added.Save(c.dir)
}

// AddNIC plugs another NIC of a node into a LAN; a node that is off has it
// when it is on.
func (c *Cluster) AddNIC(nic wiring.NIC) error {
	return c.add(func(w *wiring.Wiring) error {
		if !c.isNode(nic.Machine) {
			return fmt.Errorf("there is no node %q: give one of %s", nic.Machine, strings.Join(c.options.nodes(), " "))
		}
		return w.AddNIC(nic)
	}, func() error {
		if c.PID(nic.Machine) == 0 {
			return nil
		}
		return lab.Connect(c.addedCable(nic))
	})
}

// RemoveNIC unplugs a NIC that was added to a node.
func (c *Cluster) RemoveNIC(node, name string) error {
	unlock, err := c.change()
	if err != nil {
		return err
	}
	defer unlock()
	if !c.isNode(node) {
		return fmt.Errorf("there is no node %q: give one of %s", node, strings.Join(c.options.nodes(), " "))
	}
	for _, nic := range c.added.Of(node) {
		if nic.Interface != name {
			continue
		}
		if err := lab.Unplug(c.Namespace(nic.LAN), nic.Port()); err != nil {
			return err
		}
	}
	c.added.RemoveNIC(node, name)
	return c.added.Save(c.dir)
}

// AddMachine boots a physical host or a router, with all its NICs. Like the
// world outside it answers HTTP on port 80 and UDP on 8081.
func (c *Cluster) AddMachine(ctx context.Context, added wiring.Machine, nics []wiring.NIC) error {
	return c.add(func(w *wiring.Wiring) error { return w.AddMachine(added, nics) }, func() error {
		if c.PID(added.Name) != 0 {
			return nil
		}
		if err := c.build(ctx); err != nil {
			return err
		}
		if err := c.plug(added.Name); err != nil {
			return err
		}
		return c.bootOne(added.Name)
	})
}

// RemoveMachine takes a host or router away, with its disks.
func (c *Cluster) RemoveMachine(name string) error {
	unlock, err := c.change()
	if err != nil {
		return err
	}
	defer unlock()
	if !slices.Contains(c.added.MachineNames(), name) {
		if c.known(name) == nil {
			return fmt.Errorf("%s belongs to the cluster", name)
		}
		return nil
	}
	if err := c.cut(name); err != nil {
		return err
	}
	if err := os.RemoveAll(c.machineDir(name)); err != nil {
		return err
	}
	c.added.RemoveMachine(name)
	return c.added.Save(c.dir)
}
