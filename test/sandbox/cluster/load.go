package cluster

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// archives are the images that every node has: the sandbox's and ours, those
// in dist.
func (c *Cluster) archives() ([]string, error) {
	own, err := filepath.Glob(filepath.Join(c.source, images))
	return append(slices.Clone(c.tools.Images), own...), err
}

// load imports what a node does not have yet: after its first boot, what was
// built since.
func (c *Cluster) load(ctx context.Context) error {
	archives, err := c.archives()
	if err != nil {
		return err
	}
	return c.importAll(ctx, archives, c.options.nodes()...)
}

// Load imports archives into every node, again if they were before.
func (c *Cluster) Load(ctx context.Context, archives []string) error {
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	return c.importAll(ctx, archives, c.options.nodes()...)
}

// importAll works node by node in parallel; the archives of a node come one
// after another, since containerd's disk is what they wait for.
func (c *Cluster) importAll(ctx context.Context, archives []string, machines ...string) error {
	sums := map[string]string{}
	for _, archive := range archives {
		sum, err := checksum(archive)
		if err != nil {
			return err
		}
		sums[archive] = sum
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, node := range machines {
		if c.PID(node) == 0 {
			continue
		}
		group.Go(func() error {
			for _, archive := range archives {
				if err := c.importOne(ctx, node, archive, sums[archive]); err != nil {
					return fmt.Errorf("import %s on %s: %w", filepath.Base(archive), node, err)
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// importOne imports an archive unless the node's disk has it: a mark beside
// containerd's data, which goes when they go, says so.
func (c *Cluster) importOne(ctx context.Context, node, archive, sum string) error {
	mark := filepath.Join(c.machineDir(node), "disk/containerd", ".imported-"+filepath.Base(archive))
	if content, err := os.ReadFile(mark); err == nil && string(content) == sum {
		return nil
	}
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer file.Close()
	command, err := c.inside(ctx, c.PID(node), "sh", "-c",
		"until [ -S /run/containerd/containerd.sock ]; do sleep 0.1; done; exec ctr -n k8s.io images import --snapshotter overlayfs -")
	if err != nil {
		return err
	}
	command.Stdin = file
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
	}
	if node != store { // new nodes run nothing yet
		c.renew(filepath.Base(archive))
	}
	return os.WriteFile(mark, []byte(sum), 0o644)
}

// renew notes that nodes have another image than their pods were started from.
func (c *Cluster) renew(archive string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.renewed, archive) {
		c.renewed = append(c.renewed, archive)
	}
}

func checksum(path string) (string, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("%w: run 'make images'", err)
	}
	if err != nil {
		return "", err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", hash.Sum(nil)), nil
}
