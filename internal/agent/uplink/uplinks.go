package uplink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
	nodeplan "hawser/internal/nodeplan/uplink"
	"hawser/internal/steps"
)

// Uplinks reconciles the node that it runs on. The upper fields have to be set.
type Uplinks struct {
	Node    string
	Options nodeplan.Options
	// Client reads from a cache that holds this node's pods and its parts in
	// provider networks, and no others.
	Client client.Client
	Events events.EventRecorder
	Edges  Edges
	// Userspace tells whether the datapath runs in ovs-vswitchd.
	Userspace func() bool
	Now       func() time.Time

	turn  sync.Mutex // one of Reconcile, Recover and Leave at a time; over the next three
	holds holds
	told  map[types.UID]string // what an event has told of a part
	left  bool

	mu   sync.Mutex             // over the next two, which others ask for
	here map[string]host.Uplink // what stands, by provider network
	why  map[string]string      // why a provider network is not ready here
}

// scene is what one reconciliation sees.
type scene struct {
	parts   []kubeovnv1.ProviderNetworkNode
	pods    []corev1.Pod
	entries map[string]steps.Entry
	host    host.Snapshot
	managed []string
}

// Reconcile brings every NIC to where its provider network wants it. The
// request's name does not matter: there is one node.
func (u *Uplinks) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	u.turn.Lock()
	defer u.turn.Unlock()
	if u.left {
		return reconcile.Result{}, nil
	}
	scene, err := u.gather(ctx)
	if err != nil {
		return reconcile.Result{}, err
	}
	if err := u.shield(ctx, scene); err != nil {
		return reconcile.Result{}, err
	}
	var errs []error
	for i := range scene.parts {
		errs = append(errs, u.settlePart(ctx, scene, &scene.parts[i]))
	}
	errs = append(errs, u.sweep(ctx, scene))
	return reconcile.Result{RequeueAfter: u.holds.next(u.Now())}, errors.Join(errs...)
}

// Recover brings every plan of the journal to its end: one that a crash cut off,
// and after a boot all. It needs no API server. A NIC that is not there yet gets
// its turn when it appears.
func (u *Uplinks) Recover(ctx context.Context) error {
	u.turn.Lock()
	defer u.turn.Unlock()
	entries, err := u.Edges.Journal.Entries()
	snapshot, blind := u.Edges.Kernel.Snapshot(ctx)
	if blind != nil {
		return errors.Join(err, blind)
	}
	errs := []error{err}
	for provider, entry := range entries {
		if plan, ok := nodeplan.Renew(entry.Plan, snapshot); ok {
			errs = append(errs, u.Edges.Journal.Settle(ctx, provider, plan))
		}
	}
	return errors.Join(errs...)
}

// Leave takes every NIC out of its provider network, at an uninstallation. The
// reconciler does nothing more then.
func (u *Uplinks) Leave(ctx context.Context) error {
	u.turn.Lock()
	defer u.turn.Unlock()
	u.left = true
	entries, err := u.Edges.Journal.Entries()
	errs := []error{err}
	for provider := range entries {
		errs = append(errs, u.release(ctx, provider))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("take the uplinks out of their provider networks: %w", err)
	}
	_, err = u.Edges.NetworkManager.Keep(ctx)
	return err
}

// MTU is that of the NIC by which this node reaches a provider network, in
// bytes. Where it does not, the error says why.
func (u *Uplinks) MTU(provider string) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if up, found := u.here[provider]; found {
		return up.MTU, nil
	}
	why := u.why[provider]
	if why == "" {
		why = "this node has no part in it: see its excludeNodes and nodeSelector"
	}
	return 0, fmt.Errorf("provider network %s is not ready on node %s: %s", provider, u.Node, why)
}

// gather reads all that is decided by. The parts come in the order of their
// names, so that equal hosts do equal things. Where nothing is wanted and nothing
// stands, which is most nodes, the host is not looked at.
func (u *Uplinks) gather(ctx context.Context) (*scene, error) {
	var parts kubeovnv1.ProviderNetworkNodeList
	if err := u.Client.List(ctx, &parts); err != nil {
		return nil, fmt.Errorf("list this node's parts in provider networks: %w", err)
	}
	parts.Items = slices.DeleteFunc(parts.Items, func(p kubeovnv1.ProviderNetworkNode) bool { return p.Spec.Node != u.Node })
	slices.SortFunc(parts.Items, func(a, b kubeovnv1.ProviderNetworkNode) int { return strings.Compare(a.Name, b.Name) })
	entries, err := u.Edges.Journal.Entries()
	if err != nil {
		return nil, err
	}
	found := &scene{parts: parts.Items, entries: entries}
	if len(found.parts) == 0 && len(entries) == 0 {
		return found, nil
	}
	return found, u.look(ctx, found)
}

// look reads the host, and the pods on it.
func (u *Uplinks) look(ctx context.Context, s *scene) (err error) {
	var pods corev1.PodList
	if err := u.Client.List(ctx, &pods); err != nil {
		return fmt.Errorf("list this node's pods: %w", err)
	}
	s.pods = pods.Items
	if s.host, err = u.Edges.Kernel.Snapshot(ctx); err != nil {
		return fmt.Errorf("read the host's network: %w", err)
	}
	s.host.Bridges = u.Edges.Switch.Bridges()
	devices, err := u.Edges.NetworkManager.Devices(ctx)
	if err != nil {
		return fmt.Errorf("ask NetworkManager for its devices: %w", err)
	}
	for _, device := range devices {
		if device.Managed {
			s.managed = append(s.managed, device.Name)
		}
	}
	return nil
}

// shield keeps NetworkManager from the devices that we make, before they are.
func (u *Uplinks) shield(ctx context.Context, s *scene) error {
	if len(s.parts) == 0 && len(s.entries) == 0 {
		return nil
	}
	devices := []string{"hwo*", "hww*"}
	for _, part := range s.parts {
		devices = append(devices, host.BridgeOf(part.Spec.ProviderNetwork))
	}
	for provider := range s.entries {
		devices = append(devices, host.BridgeOf(provider))
	}
	slices.Sort(devices)
	if _, err := u.Edges.NetworkManager.Keep(ctx, slices.Compact(devices)...); err != nil {
		return fmt.Errorf("keep NetworkManager from the devices of uplinks: %w", err)
	}
	return nil
}

// sweep releases what no part is there for any more, as after a deletion that
// happened while no agent ran.
func (u *Uplinks) sweep(ctx context.Context, s *scene) error {
	var errs []error
	for provider := range s.entries {
		if !slices.ContainsFunc(s.parts, func(p kubeovnv1.ProviderNetworkNode) bool { return p.Spec.ProviderNetwork == provider }) {
			errs = append(errs, u.release(ctx, provider))
		}
	}
	if len(s.parts) == 0 && len(s.entries) > 0 && errors.Join(errs...) == nil {
		_, err := u.Edges.NetworkManager.Keep(ctx)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (u *Uplinks) release(ctx context.Context, provider string) error {
	u.holds.forget(provider)
	u.remember(provider, verdict{phase: kubeovnv1.PhaseReleased})
	if err := u.Edges.Journal.Settle(ctx, provider, host.Plan{}); err != nil {
		return fmt.Errorf("take the uplink out of provider network %s: %w", provider, err)
	}
	return nil
}
