package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"hawser/cmd/internal/program"
	"hawser/internal/agent"
	"hawser/internal/agent/cni"
	"hawser/internal/agent/options"
	"hawser/internal/kernel"
	"hawser/internal/netfilter"
	"hawser/internal/vswitch"
)

// run wires the agent together and works until the context ends.
func run(ctx context.Context, o options.Options) error {
	cfg, err := program.Server(o.Kubeconfig, "kube-ovn-cni")
	if err != nil {
		return err
	}
	state := &agent.State{}
	mgr, err := newManager(cfg, o, state)
	if err != nil {
		return fmt.Errorf("preparing the agent: %w", err)
	}
	// Open vSwitch may come much later than the agent; health is served meanwhile.
	err = mgr.Add(manager.RunnableFunc(func(ctx context.Context) error { return wire(ctx, mgr, o, state) }))
	if err != nil {
		return err
	}
	return mgr.Start(ctx)
}

// wire opens the edges, waits for Open vSwitch, and adds what works with them.
// The edges stay open to the end of the process: calls of the plugin that are
// being answered when it has to stop need them still.
func wire(ctx context.Context, mgr manager.Manager, o options.Options, state *agent.State) error {
	links, err := kernel.Open()
	if err != nil {
		return err
	}
	filter, err := netfilter.Open()
	if err != nil {
		return err
	}
	vswitchLog := ctrl.LoggerInto(ctx, ctrl.Log.WithName("vswitch"))
	local, err := vswitch.Dial(vswitchLog, cmp.Or(o.OVSEndpoint(), vswitch.DefaultEndpoint))
	if err != nil {
		return err
	}
	uplinks, err := newUplinks(mgr, o, links, local)
	if err != nil {
		return err
	}
	node := &agent.Node{
		Name: o.Node, Options: o.Plan(), Client: mgr.GetClient(), Events: mgr.GetEventRecorder("kube-ovn-cni"),
		Host: agent.Host{Switch: local, Kernel: links, Filter: filter}, State: state, Uplinks: uplinks, Conflist: conflist(o),
	}
	terms := agent.Terms{Client: mgr.GetClient(), State: state, Uplinks: uplinks}
	server := cni.New(cni.Config{
		Socket: o.Socket, Pods: mgr.GetCache(), Switch: local, Links: links,
		MTU: terms.MTU, Wire: kernel.Prober{}, ChecksGateway: terms.ChecksGateway, DetectConflicts: o.DetectConflicts, Ready: state.Ready, Readied: state.Readied,
		Explain: cni.Explain(mgr.GetAPIReader(), "kube-ovn-controller"), Metrics: metrics.Registry,
	})
	return errors.Join(node.Register(mgr, links.Changed(), local.Changed(), filter.Changed()), mgr.Add(server))
}

// outage is how long a node that boots waits for the API server: for good, in
// effect. To end and be started again would only take longer each time.
const outage = 24 * time.Hour

// newManager makes the cache, and serves health and metrics. Of pods it holds
// those of this node only.
func newManager(cfg *rest.Config, o options.Options, state *agent.State) (manager.Manager, error) {
	scheme, err := program.Scheme()
	if err != nil {
		return nil, err
	}
	return ctrl.NewManager(cfg, manager.Options{
		Scheme:         scheme,
		MapperProvider: program.Mapper,
		Controller:     config.Controller{CacheSyncTimeout: outage},
		Cache: cache.Options{
			DefaultTransform: cache.TransformStripManagedFields(),
			ByObject: map[client.Object]cache.ByObject{
				&corev1.Pod{}:  {Field: fields.OneTermEqualSelector("spec.nodeName", o.Node)},
				&corev1.Node{}: {Transform: agent.Slim},
				part:           ownParts(o.Node),
			},
		},
		HealthProbeBindAddress: "0",
		Metrics:                metricsserver.Options{BindAddress: o.Address(), ExtraHandlers: state.Handlers(o.Pprof)},
	})
}

// conflist is the CNI configuration to write, if any.
func conflist(o options.Options) agent.File {
	content, err := os.ReadFile(o.ConflistSource)
	if err != nil {
		content = cni.Conflist(o.Socket)
	}
	return agent.File{Path: o.ConflistPath(), Content: content}
}
