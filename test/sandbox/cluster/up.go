package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"hawser/test/sandbox/inotify"
	"hawser/test/sandbox/tools"
	"hawser/test/sandbox/wiring"
)

// Fabric says how our own chart is installed. The zero value leaves it out.
type Fabric struct {
	Install bool
	// Values are files, Set are assignments, both as helm takes them.
	Values, Set []string
}

// step is a part of up that a person sees.
type step struct {
	name string
	work func(context.Context) error
}

// Up brings the sandbox to what is asked for, from wherever it is.
func (c *Cluster) Up(ctx context.Context, asked Options, fabric Fabric) error {
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := c.adopt(asked); err != nil {
		return err
	}
	steps := []step{
		{"tools and images built", c.build},
		{"limits of this machine", func(context.Context) error { return c.reserve() }},
		{"certificates", func(context.Context) error { return c.trust() }},
		{"network", func(context.Context) error { return c.wire() }},
		{"machines booted", c.boot},
		{"API server ready, first images on new nodes", c.awaitAPIAndStock},
		{"images on all nodes", c.load},
		{"nodes registered", c.awaitNodes},
		{"DNS deployed", c.deployDNS},
	}
	if fabric.Install {
		steps = append(steps,
			step{"chart installed", func(ctx context.Context) error { return c.install(ctx, fabric) }},
			step{"nodes Ready", c.awaitReady},
			step{"fabric as the chart says", c.awaitRollout},
			step{"DNS available", c.awaitDNS})
	}
	return c.follow(ctx, steps)
}

// follow does steps in order and tells how long each took.
func (c *Cluster) follow(ctx context.Context, steps []step) error {
	begin := time.Now()
	for _, s := range steps {
		start := time.Now()
		if err := s.work(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		c.say("%6.1fs  %s", time.Since(start).Seconds(), s.name)
	}
	c.say("%6.1fs  in all", time.Since(begin).Seconds())
	return nil
}

// adopt takes over what is there, or begins anew.
func (c *Cluster) adopt(asked Options) error {
	if err := asked.Check(); err != nil {
		return err
	}
	there, err := load(c.dir)
	switch {
	case errors.Is(err, errNone):
		if err := c.alone(); err != nil {
			return err
		}
	case err != nil:
		return err
	default:
		if err := there.fits(asked); err != nil {
			return err
		}
	}
	c.options = asked
	if c.added, err = wiring.Load(c.dir); err != nil {
		return err
	}
	return asked.save(c.dir)
}

// alone fails when a sandbox of the same name lies elsewhere: the two would
// share a cgroup, and down would take both.
func (c *Cluster) alone() error {
	processes, err := c.host.Parent.Processes()
	if err == nil && len(processes) > 0 {
		err = fmt.Errorf("%d processes of another sandbox of the name %s run: choose another --state, or run 'sandbox down' if its directory was removed", len(processes), c.host.Parent)
	}
	return err
}

func (c *Cluster) build(ctx context.Context) error {
	var err error
	c.tools, err = tools.Builder{Source: c.source, Cache: tools.CacheDir(), Say: c.say}.Build(ctx)
	return err
}

// reserve makes room in the limits that the host's kernel has for all of root.
func (c *Cluster) reserve() error {
	raised, err := inotify.Host.Reserve(filepath.Base(c.dir), len(c.options.nodes()))
	if raised > 0 {
		c.say("         fs.inotify.max_user_instances is %d until sandboxes are gone", raised)
	}
	return err
}

// trust makes certificates and the administrator's kubeconfig.
func (c *Cluster) trust() error {
	var err error
	if c.authority, err = openAuthority(c.dir + "/pki"); err != nil {
		return err
	}
	if err := c.certificates(); err != nil {
		return err
	}
	content, err := c.authority.kubeconfig("admin", c.options.server())
	if err != nil {
		return err
	}
	return os.WriteFile(c.Kubeconfig(), content, 0o600)
}

// boot starts every machine that is off, all at once.
func (c *Cluster) boot(ctx context.Context) error {
	group, _ := errgroup.WithContext(ctx)
	for _, name := range c.Machines() {
		if c.PID(name) == 0 {
			group.Go(func() error { return c.bootOne(name) })
		}
	}
	return group.Wait()
}

func (c *Cluster) bootOne(name string) error {
	spec, err := c.spec(name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(spec.Dir, 0o755); err != nil {
		return err
	}
	// What an unclean end left of an earlier life.
	if err := c.host.PowerOff(name, spec.Dir); err != nil {
		return err
	}
	return c.host.Boot(spec, c.Namespace(name))
}

// awaitAPIAndStock does two slow things at once: while the API server starts,
// images are imported.
func (c *Cluster) awaitAPIAndStock(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return c.awaitAPI(ctx) })
	group.Go(func() error { return c.stock(ctx) })
	return group.Wait()
}

// startWithin is how long programs may take to start on a machine that is busy
// with other things; on an idle one it is seconds.
const startWithin = 3 * time.Minute

// awaitAPI waits until the API server answers, or the control plane is off.
func (c *Cluster) awaitAPI(ctx context.Context) error {
	return c.await(ctx, startWithin, "the API server does not answer: look at 'sandbox logs cp kube-apiserver'", func() bool {
		out, err := c.Kubectl(ctx, "get", "--raw", "/readyz")
		return err == nil && out == "ok"
	})
}

// awaitNodes waits until every kubelet has registered its node, and marks them.
func (c *Cluster) awaitNodes(ctx context.Context) error {
	err := c.await(ctx, startWithin, "not all kubelets have registered: look at 'sandbox logs NODE kubelet'", func() bool {
		out, err := c.Kubectl(ctx, "get", "nodes", "-o", "name")
		return err == nil && len(strings.Fields(out)) >= len(c.options.nodes())
	})
	if err != nil {
		return err
	}
	if _, err := c.Kubectl(ctx, "label", "--overwrite", "node", controlPlane, "node-role.kubernetes.io/control-plane="); err != nil {
		return err
	}
	if c.options.Masters == 1 {
		return nil // the control plane is where the chart puts them by itself
	}
	args := append([]string{"label", "--overwrite", "node"}, c.options.masters()...)
	_, err = c.Kubectl(ctx, append(args, "kube-ovn/role=master")...)
	return err
}

func (c *Cluster) deployDNS(ctx context.Context) error {
	manifest, err := render("coredns.yaml", c.options.values(""))
	if err != nil {
		return err
	}
	_, err = c.kubectl(ctx, string(manifest), "apply", "--validate=false", "-f", "-")
	return err
}

// await tries until something holds; the complaint says where to look.
func (c *Cluster) await(ctx context.Context, within time.Duration, complaint string, holds func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
			return errors.New(complaint)
		case <-time.After(200 * time.Millisecond):
		}
	}
	return nil
}
