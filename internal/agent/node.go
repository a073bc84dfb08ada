package agent

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
	"hawser/internal/nodeplan/overlay"
	"hawser/internal/plan"
)

// What ovs-ovn's start script writes into Open_vSwitch before ovs-vswitchd runs.
const (
	keySystemID = "system-id"
	keyDatapath = "ovn-bridge-datapath-type"
)

// userspaceDatapath is the value of keyDatapath for a datapath in ovs-vswitchd.
const userspaceDatapath = "netdev"

// Node reconciles the node that it runs on. All fields have to be set.
type Node struct {
	Name    string
	Options overlay.Options
	// Client reads from a cache that holds all Nodes and Subnets.
	Client client.Client
	Events events.EventRecorder
	Host   Host
	State  *State
	// Uplinks are the NICs in provider networks.
	Uplinks Uplinks
	// Conflist is written once the node is ready; without a Path it is not.
	Conflist File

	raised bool            // pods' links are up, whatever an uninstallation did to them
	left   bool            // the fabric is being uninstalled and this node is done
	told   map[string]bool // problems that an event has told of
	why    *string         // what was logged as still missing, once anything was
}

// Reconcile brings the node to what is wanted of it now. The request's name does
// not matter: there is one node.
func (n *Node) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	node := &corev1.Node{}
	if err := n.Client.Get(ctx, client.ObjectKey{Name: n.Name}, node); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if n.left || node.Annotations[kubeovnv1.AnnotationLeaving] == "true" {
		return reconcile.Result{}, n.leave(ctx, node)
	}
	if n.Host.Switch.ExternalID(keySystemID) == "" {
		return reconcile.Result{}, n.report(ctx, node, errors.New("this Open vSwitch has no system-id yet: see the log of this node's ovs-ovn pod"))
	}
	in, err := n.gather(ctx, node)
	if err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{}, n.settle(ctx, in)
}

// settle plans, applies and reports.
func (n *Node) settle(ctx context.Context, in overlay.Input) error {
	result, problems := overlay.Plan(in)
	n.tell(in.Node, problems)
	if result == nil {
		return n.report(ctx, in.Node, errors.New(problems[0].Message))
	}
	changed, err := n.Host.apply(ctx, result.Desired)
	if err == nil && !n.raised {
		_, err = n.Host.Kernel.SetPodLinks(ctx, true)
		n.raised = err == nil
	}
	if changed > 0 {
		log.FromContext(ctx).Info("brought the node to what is wanted", "changes", changed)
		changes.Add(float64(changed))
	}
	n.State.planned(result.PodMTU)
	missing, failed := n.missing(ctx, result, problems, err)
	return errors.Join(failed, n.report(ctx, in.Node, missing))
}

// gather reads all that the plan depends on.
func (n *Node) gather(ctx context.Context, node *corev1.Node) (overlay.Input, error) {
	var nodes corev1.NodeList
	var subnets kubeovnv1.SubnetList
	if err := errors.Join(n.Client.List(ctx, &nodes), n.Client.List(ctx, &subnets)); err != nil {
		return overlay.Input{}, fmt.Errorf("list nodes and subnets: %w", err)
	}
	snapshot, err := n.Host.Kernel.Snapshot(ctx)
	if err != nil {
		return overlay.Input{}, fmt.Errorf("read the host's network: %w", err)
	}
	return overlay.Input{
		Options: n.Options, Node: node, Nodes: nodes.Items, Subnets: subnets.Items, Host: snapshot,
		Userspace: n.Userspace(),
	}, nil
}

// missing says what the node lacks before pods can use it, and which error has
// to be tried again. A device that Open vSwitch has yet to make is lacking but
// no error.
func (n *Node) missing(ctx context.Context, result *overlay.Result, problems []plan.Problem, err error) (missing, failed error) {
	switch {
	case err != nil && onlyMissing(err):
		return err, nil
	case err != nil:
		return err, err
	case result.PodMTU == 0:
		return errors.New(problems[0].Message), nil
	}
	look, end := context.WithCancel(ctx)
	end() // an ended context makes it a look instead of a wait
	return n.Host.Switch.Installed(look, host.NodeLink), nil
}

// onlyMissing tells whether all of a joined error is about devices that are not
// there yet.
func onlyMissing(err error) bool {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return errors.Is(err, host.ErrMissing)
	}
	for _, part := range joined.Unwrap() {
		if !onlyMissing(part) {
			return false
		}
	}
	return true
}

// report tells the cluster how the node is; nil means that it lacks nothing.
func (n *Node) report(ctx context.Context, node *corev1.Node, missing error) error {
	n.note(ctx, node, missing)
	if missing == nil {
		n.State.ready()
		if err := n.Conflist.write(); err != nil {
			return fmt.Errorf("tell the container runtime of us: %w", err)
		}
	}
	err := errors.Join(n.setChassis(ctx, node), n.setCondition(ctx, node, missing))
	if apierrors.IsNotFound(err) {
		return nil // the Node went away meanwhile; there is nobody to tell
	}
	return err
}

// note logs what is missing, each time that it changes. On a node that was
// ready before, it is an event too: the condition does not go back.
func (n *Node) note(ctx context.Context, node *corev1.Node, missing error) {
	why := ""
	if missing != nil {
		why = missing.Error()
	}
	if n.why != nil && why == *n.why {
		return
	}
	n.why = &why
	if why == "" {
		log.FromContext(ctx).Info("the node is ready for pods")
		return
	}
	log.FromContext(ctx).Info("the node is not ready for pods", "missing", why)
	if settled(node) {
		n.Events.Eventf(node, nil, corev1.EventTypeWarning, reasonUnreachable, "Configure", "%s", why)
	}
}

// Userspace tells whether the datapath runs in ovs-vswitchd instead of the
// kernel.
func (n *Node) Userspace() bool { return n.Host.Switch.ExternalID(keyDatapath) == userspaceDatapath }
