package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"

	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"hawser/cmd/internal/program"
	"hawser/internal/controller"
	"hawser/internal/controller/certificate"
	"hawser/internal/controller/claim"
	"hawser/internal/controller/options"
	"hawser/internal/controller/provider"
	"hawser/internal/ipam"
	"hawser/internal/northbound"
)

// run wires the controller together and works until the context ends or the
// lease is lost.
func run(ctx context.Context, o options.Options) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	cfg, err := program.Server(o.Kubeconfig, "kube-ovn-controller")
	if err != nil {
		return err
	}
	health := &controller.Health{}
	mgr, err := newManager(cfg, o, health)
	if err != nil {
		return fmt.Errorf("preparing the controller: %w", err)
	}
	watching, err := client.NewWithWatch(cfg, client.Options{Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper()})
	if err != nil {
		return fmt.Errorf("preparing the watch of IP objects: %w", err)
	}
	fabric := newFabric(mgr, o)
	leader := &controller.Leader{
		Manager: mgr, Fabric: fabric, Defaults: o.Defaults(),
		Connect: func(ctx context.Context) (controller.Network, error) {
			connection, err := connect(ctx, watching, o)
			if err != nil {
				return nil, err
			}
			health.Connected(connection.Connected)
			return &network{connection, end}, nil
		},
	}
	err = errors.Join(
		controller.AddIndexes(ctx, mgr.GetFieldIndexer()),
		controller.Warm(ctx, mgr.GetCache()),
		mgr.Add(&claim.Keeper{API: watching, Book: fabric.Claims.Book}),
		mgr.Add(leader),
		(provider.Desk{Cache: fabric.Cache, API: fabric.API, Events: fabric.Events, Cluster: fabric.Cluster}).AddControllers(mgr),
	)
	if err != nil {
		return err
	}
	health.Synced(mgr.GetCache().WaitForCacheSync)
	return cmp.Or(mgr.Start(ctx), context.Cause(ctx))
}

func newFabric(mgr manager.Manager, o options.Options) *controller.Fabric {
	fabric := controller.NewFabric()
	fabric.Cluster = o.Cluster()
	fabric.Cache = mgr.GetCache()
	fabric.API = mgr.GetClient()
	fabric.Events = mgr.GetEventRecorder("kube-ovn-controller")
	fabric.Claims = &claim.Claims{
		API: mgr.GetClient(), Book: claim.NewBook(fabric.InUse), Registry: ipam.New(rand.Uint64),
	}
	return fabric
}

func newManager(cfg *rest.Config, o options.Options, health *controller.Health) (manager.Manager, error) {
	scheme, err := program.Scheme()
	if err != nil {
		return nil, err
	}
	election, err := electionLock(cfg, o)
	if err != nil {
		return nil, err
	}
	return ctrl.NewManager(cfg, manager.Options{
		Scheme:                 scheme,
		MapperProvider:         program.Mapper,
		Cache:                  controller.CacheOptions(),
		HealthProbeBindAddress: "0",

		LeaderElection:                      true,
		LeaderElectionResourceLockInterface: election,
		LeaderElectionReleaseOnCancel:       true,

		LeaseDuration: &o.LeaseDuration,
		RenewDeadline: &o.RenewDeadline,
		RetryPeriod:   &o.RetryPeriod,
		Metrics: metricsserver.Options{
			BindAddress:   net.JoinHostPort(o.BindIP, strconv.Itoa(o.Port)),
			ExtraHandlers: health.Handlers(o.Pprof),
		},
	})
}

// connect is what a new leader does before it may write.
func connect(ctx context.Context, api client.Client, o options.Options) (*northbound.Client, error) {
	cfg := northbound.Config{Endpoints: o.Endpoints(), Logger: ctrl.Log.WithName("northbound"), Metrics: metrics.Registry}
	if o.NeedsTLS() {
		certificates := &certificate.Keeper{API: api, Namespace: o.Namespace, Interval: o.Rotation}
		var err error
		if cfg.TLS, err = certificates.Ensure(ctx); err != nil {
			return nil, err
		}
		go certificates.Keep(ctx)
	}
	return northbound.Dial(ctx, cfg)
}
