package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"hawser/test/sandbox/inotify"
	"hawser/test/sandbox/lab"
)

// PowerOff cuts a machine's power: its processes, its NICs, its network
// namespace and all that it had in memory are gone when this returns.
func (c *Cluster) PowerOff(name string) error {
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := c.known(name); err != nil {
		return err
	}
	return c.cut(name)
}

func (c *Cluster) cut(name string) error {
	if err := c.host.PowerOff(name, c.machineDir(name)); err != nil {
		return err
	}
	for _, cable := range c.cables(name) {
		if err := lab.Unplug(cable.From, cable.Port); err != nil {
			return fmt.Errorf("unplug %s: %w", name, err)
		}
	}
	return lab.RemoveNamespace(c.Namespace(name))
}

// PowerOn boots a machine that is off, with the disks, names and addresses
// that it had, and returns when its services run.
func (c *Cluster) PowerOn(ctx context.Context, name string) error {
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := c.known(name); err != nil {
		return err
	}
	if c.PID(name) != 0 {
		return nil
	}
	for _, prepare := range []func() error{func() error { return c.build(ctx) }, c.trust, func() error { return c.plug(name) }} {
		if err := prepare(); err != nil {
			return err
		}
	}
	if err := c.bootOne(name); err != nil {
		return err
	}
	return c.awaitServices(ctx, name)
}

// awaitServices waits until a node's kubelet says that it is well.
func (c *Cluster) awaitServices(ctx context.Context, name string) error {
	if !c.isNode(name) {
		return nil
	}
	complaint := fmt.Sprintf("the kubelet of %s does not come up: look at 'sandbox logs %s kubelet'", name, name)
	err := c.await(ctx, startWithin, complaint, func() bool {
		command, err := c.InMachine(ctx, name, "curl", "-fsS", "-m", "2", "http://127.0.0.1:10248/healthz")
		return err == nil && command.Run() == nil
	})
	if err == nil && name == controlPlane {
		err = c.awaitAPI(ctx)
	}
	return err
}

// Down takes the sandbox away, all of it, whatever state it is in.
func (c *Cluster) Down() error {
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := load(c.dir); err != nil && !errors.Is(err, errNone) {
		return err
	}
	begin := time.Now()
	if err := c.host.Parent.Destroy(time.Minute); err != nil {
		return err
	}
	entries, err := os.ReadDir(c.Namespace(""))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, entry := range entries {
		if err := lab.RemoveNamespace(c.Namespace(entry.Name())); err != nil {
			return err
		}
	}
	if err := inotify.Host.Release(filepath.Base(c.dir)); err != nil {
		return err
	}
	if err := os.RemoveAll(c.dir); err != nil {
		return fmt.Errorf("remove %s: %w", c.dir, err)
	}
	c.say("%6.1fs  everything is gone", time.Since(begin).Seconds())
	return os.Remove(c.lockPath())
}
