// Command kube-ovn-leader-checker runs beside OVN's databases and keeps three
// labels of its own pod: ovn-nb-leader, ovn-sb-leader and ovn-northd-leader are
// "true" while the replica leads, and absent otherwise. The Services ovn-nb,
// ovn-sb and ovn-northd select by them.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"hawser/internal/leader"
)

// version is set by the build.
var version = "dev"

// config is what the command line and the environment say.
type config struct {
	kubeconfig     string
	runDir         string
	northdInterval time.Duration
	namespace, pod string
}

func (c *config) bind(flags *pflag.FlagSet) {
	flags.StringVar(&c.kubeconfig, "kubeconfig", "", "kubeconfig file (default: the pod's service account)")
	flags.StringVar(&c.runDir, "ovn-rundir", "/run/ovn", "directory of the sockets of the databases and northd")
	flags.DurationVar(&c.northdInterval, "northd-interval", 5*time.Second, "how often northd is asked whether it is active")
}

func (c *config) validate() error {
	if c.namespace == "" || c.pod == "" {
		return errors.New("POD_NAMESPACE and POD_NAME must name the pod whose labels are kept")
	}
	if c.northdInterval <= 0 {
		return fmt.Errorf("--northd-interval is %s: it must be positive", c.northdInterval)
	}
	return nil
}

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, log); err != nil {
		log.Error("leader checker ends", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, log *slog.Logger) error {
	c := config{namespace: os.Getenv("POD_NAMESPACE"), pod: os.Getenv("POD_NAME")}
	c.bind(pflag.CommandLine)
	pflag.Parse()
	if err := c.validate(); err != nil {
		return err
	}
	client, err := c.connect()
	if err != nil {
		return fmt.Errorf("connect to the API server: %w", err)
	}
	log.Info("keeping leader labels", "version", version, "namespace", c.namespace, "pod", c.pod)
	watch(ctx, &c, leader.NewLabels(
		func(ctx context.Context, labels map[string]bool) error {
			log.Info("labels change", "labels", labels)
			return c.patch(ctx, client, labels)
		},
		func(err error) { log.Warn("labels not written, trying again", "error", err) },
	))
	return nil
}

func (c *config) connect() (kubernetes.Interface, error) {
	settings, err := rest.InClusterConfig()
	if c.kubeconfig != "" {
		settings, err = clientcmd.BuildConfigFromFlags("", c.kubeconfig)
	}
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(settings)
}

// watch runs the three watchers and the writer until ctx ends.
func watch(ctx context.Context, c *config, labels *leader.Labels) {
	var all sync.WaitGroup
	all.Go(func() {
		leader.WatchDatabase(ctx, filepath.Join(c.runDir, "ovnnb_db.sock"), "OVN_Northbound", labels.Report("ovn-nb-leader"))
	})
	all.Go(func() {
		leader.WatchDatabase(ctx, filepath.Join(c.runDir, "ovnsb_db.sock"), "OVN_Southbound", labels.Report("ovn-sb-leader"))
	})
	all.Go(func() {
		leader.WatchNorthd(ctx, c.runDir, c.northdInterval, labels.Report("ovn-northd-leader"))
	})
	all.Go(func() { labels.Run(ctx) })
	all.Wait()
}

// patch sets a label to "true" or removes it.
func (c *config) patch(ctx context.Context, client kubernetes.Interface, labels map[string]bool) error {
	values := map[string]any{}
	for label, on := range labels {
		values[label] = nil
		if on {
			values[label] = "true"
		}
	}
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": values}})
	if err != nil {
		return err
	}
	_, err = client.CoreV1().Pods(c.namespace).Patch(ctx, c.pod, types.MergePatchType, body, metav1.PatchOptions{})
	return err
}
