package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"hawser/test/sandbox/lab"
	"hawser/test/sandbox/machine"
)

// store is a machine with nothing but containerd, which lives only while it
// imports the images that new nodes begin with. Importing costs seconds of a
// core; done once and shared, by hard links, a node's costs nothing, and the
// nodes' containers share their pages in memory too.
const store = "store"

// stocked is the file beside containerd's data that says that a node has its
// first images. Its containerd does not start before.
const stocked = ".stocked"

// storage is where a machine's containerd keeps its data, on the host.
func (c *Cluster) storage(name string) string {
	return filepath.Join(c.machineDir(name), "disk/containerd")
}

// stock gives every new node its first images.
func (c *Cluster) stock(ctx context.Context) error {
	var bare []string
	for _, node := range c.options.nodes() {
		if _, err := os.Stat(filepath.Join(c.storage(node), stocked)); err != nil {
			bare = append(bare, node)
		}
	}
	if len(bare) == 0 {
		return nil
	}
	if err := c.fillStore(ctx); err != nil {
		return err
	}
	for _, node := range bare {
		if err := c.copyStore(ctx, node); err != nil {
			return fmt.Errorf("give %s its images: %w", node, err)
		}
	}
	return nil
}

// fillStore boots the store, imports what it lacks, and switches it off.
func (c *Cluster) fillStore(ctx context.Context) error {
	archives, err := c.archives()
	if err != nil {
		return err
	}
	spec, err := c.storeSpec()
	if err != nil {
		return err
	}
	if err := c.cut(store); err != nil { // what a killed up left
		return err
	}
	if err := lab.EnsureNamespace(c.Namespace(store)); err != nil {
		return err
	}
	if err := c.host.Boot(spec, c.Namespace(store)); err != nil {
		return err
	}
	return errors.Join(c.importAll(ctx, archives, store), c.cut(store))
}

func (c *Cluster) storeSpec() (machine.Spec, error) {
	config, err := render("containerd.toml", nil)
	return machine.Spec{
		Name: store, Root: c.tools.Rootfs, Dir: c.machineDir(store), Path: searchPath,
		Disks:    map[string]string{"/var/log": "log", "/var/lib/containerd": "containerd"},
		Files:    []machine.File{{Path: "/etc/containerd/config.toml", Content: config, Mode: 0o644}},
		Services: []machine.Service{{Name: "containerd", Args: containerdArgs}},
	}, err
}

// copyStore links the store's data into a node's disk. containerd never writes
// into a blob or a layer again; all else, its databases above all, is copied.
func (c *Cluster) copyStore(ctx context.Context, node string) error {
	from, to := c.storage(store), c.storage(node)
	// Its content is what a killed up left; the directory itself is mounted in
	// the node already.
	entries, err := os.ReadDir(to)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := os.RemoveAll(filepath.Join(to, entry.Name())); err != nil {
			return err
		}
	}
	if out, err := exec.CommandContext(ctx, "cp", "--archive", "--link", from+"/.", to).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
	}
	if err := filepath.WalkDir(to, ownCopy); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(to, stocked), nil, 0o644)
}

// ownCopy replaces a hard link to a file that may be written by a copy.
func ownCopy(path string, d fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	if d.IsDir() {
		if d.Name() == "blobs" || d.Name() == "snapshots" {
			return filepath.SkipDir
		}
		return nil
	}
	if !d.Type().IsRegular() {
		return nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o600)
}
