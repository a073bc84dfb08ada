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
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
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
	// Silent asks no network, from a MAC that it does not know, whether it lets those
	// of pods through.
	Silent bool

	turn   sync.Mutex // one of Reconcile, Recover and Leave at a time; over the next five
	holds  holds
	drifts drifts
	told   told
	left   bool
	swept  bool // the host was looked at once, although nothing may be wanted of it

	standing  standing  // which others ask for
	questions questions // which are asked beside the rest
}

// scene is what one reconciliation sees.
type scene struct {
	parts   []kubeovnv1.ProviderNetworkNode
	pods    []corev1.Pod
	entries map[string]steps.Entry
	host    host.Snapshot
	managed []string
	adopted map[string][]string // what to tell of it, by provider network

	found    host.LoopFindings // of all NICs that may meet another
	searched map[string]bool   // by NIC: the findings are about it
}

// staying are the provider networks that this node is not about to leave.
func (s *scene) staying() (providers []string) {
	for i := range s.parts {
		if s.parts[i].DeletionTimestamp == nil {
			providers = append(providers, s.parts[i].Spec.ProviderNetwork)
		}
	}
	return providers
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
	if err := u.Edges.shield(ctx, scene); err != nil {
		return reconcile.Result{}, err
	}
	u.Edges.patrol(scene)
	var errs []error
	for i := range scene.parts {
		errs = append(errs, u.settlePart(ctx, scene, &scene.parts[i]))
	}
	errs = append(errs, u.sweep(ctx, scene))
	if scene.entries, err = u.Edges.Journal.Entries(); err == nil {
		u.Edges.patrol(scene) // with whom has joined just now
	}
	return reconcile.Result{RequeueAfter: earlier(u.holds.next(u.Now()), u.drifts.next(u.Now()))}, errors.Join(errs...)
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
	u.Edges.Patrol.Watch(nil)
	entries, err := u.Edges.Journal.Entries()
	scene := &scene{entries: entries}
	errs := []error{err, u.survey(ctx, scene)}
	for provider := range scene.entries {
		errs = append(errs, u.release(ctx, scene, provider))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("take the uplinks out of their provider networks: %w", err)
	}
	_, err = u.Edges.NetworkManager.Keep(ctx)
	return err
}

// MTU is the smallest of the NICs by which this node reaches a provider network, in
// bytes; one that stands by may have to take over. Where it does not reach it, the
// error says why.
func (u *Uplinks) MTU(provider string) (int, error) {
	uplinks, why := u.standing.find(provider)
	if why != "" {
		return 0, fmt.Errorf("provider network %s is not ready on node %s: %s", provider, u.Node, why)
	}
	mtu := uplinks[0].MTU
	for _, up := range uplinks {
		mtu = min(mtu, up.MTU)
	}
	return mtu, nil
}

// gather reads all that is decided by. The parts come in the order of their
// names, so that equal hosts do equal things. Where nothing is wanted and nothing
// stands, which is most nodes, the host is looked at once.
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
	if len(found.parts) == 0 && len(entries) == 0 && u.swept {
		return found, nil
	}
	var pods corev1.PodList
	if err := u.Client.List(ctx, &pods); err != nil {
		return nil, fmt.Errorf("list this node's pods: %w", err)
	}
	found.pods = pods.Items
	if err := u.survey(ctx, found); err != nil {
		return nil, err
	}
	u.swept = true
	return found, nil
}

// survey looks at the host, and puts into the journal what stands there without
// it, because somebody has deleted the journal: what is wanted stays as it is then,
// and the rest is released.
func (u *Uplinks) survey(ctx context.Context, s *scene) error {
	if err := u.Edges.look(ctx, s); err != nil {
		return err
	}
	pinned, err := u.Edges.Taps.Pinned()
	if err != nil {
		return err
	}
	noted := func(provider string) bool { _, found := s.entries[provider]; return found }
	strays := nodeplan.Strays(s.host, pinned, u.Userspace(), s.managed, noted)
	if len(strays) == 0 {
		return nil
	}
	s.adopted = map[string][]string{}
	for provider, stands := range strays {
		if err := u.Edges.Journal.Adopt(ctx, provider, stands); err != nil {
			return fmt.Errorf("note what stands of provider network %s: %w", provider, err)
		}
		s.adopted[provider] = []string{"the node's journal of what was done to " + namesOf(stands) + " was gone, and is written again from what stands"}
		log.FromContext(ctx).Info("noted an uplink that no journal knew", "provider", provider, "plan", stands.Text())
	}
	s.entries, err = u.Edges.Journal.Entries()
	return err
}

func namesOf(plan host.Plan) string {
	var nics []string
	for _, up := range plan.Uplinks() {
		nics = append(nics, up.NIC)
	}
	return strings.Join(nics, ", ")
}

// sweep releases what no part is there for any more, as after a deletion that
// happened while no agent ran.
func (u *Uplinks) sweep(ctx context.Context, s *scene) error {
	var errs []error
	for provider := range s.entries {
		if !slices.ContainsFunc(s.parts, func(p kubeovnv1.ProviderNetworkNode) bool { return p.Spec.ProviderNetwork == provider }) {
			errs = append(errs, u.release(ctx, s, provider))
		}
	}
	if len(s.staying()) > 0 || len(s.entries) == 0 || errors.Join(errs...) != nil {
		return errors.Join(errs...)
	}
	left, err := u.Edges.Journal.Entries()
	if err == nil && len(left) == 0 { // with the last uplink goes the reason to keep NetworkManager from anything
		_, err = u.Edges.NetworkManager.Keep(ctx)
	}
	return err
}
