package cni

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"hawser/internal/cniwire"
	"hawser/internal/nodeplan/attachment"
)

// commitWait bounds one commit to OVSDB, which takes milliseconds, for the case
// that its server is away.
const commitWait = 10 * time.Second

// attacher does ADD.
type attacher struct {
	cfg     Config
	pods    *podWatch
	turns   *turns
	metrics *instruments
}

// add attaches a container. Each step may be repeated, so that a call that was
// cut off anywhere is made good by the next.
func (a *attacher) add(ctx context.Context, call cniwire.Request) (*cniwire.Result, error) {
	if err := a.awaitReady(ctx); err != nil {
		return nil, &cniwire.Error{Code: cniwire.CodeTryAgainLater, Message: fmt.Sprintf("pod %s cannot be attached yet", call.Pod), Details: err.Error()}
	}
	done, err := a.turns.take(ctx, attachment.Owner(call.Pod.Namespace, call.Pod.Name))
	if err != nil {
		return nil, err
	}
	defer done()
	ctx, cancel := a.whileThere(ctx, call.Pod)
	defer cancel(nil)
	result, err := a.attach(ctx, call)
	if err != nil && errors.Is(errors.Join(err, context.Cause(ctx)), errPodGone) {
		return nil, fmt.Errorf("pod %s: %w", call.Pod, errPodGone)
	}
	return result, err
}

// attach does the work in an order that lets OVN install the flows while the
// pod's end is configured.
func (a *attacher) attach(ctx context.Context, call cniwire.Request) (*cniwire.Result, error) {
	clock := a.metrics.start()
	plan, err := a.address(ctx, call)
	if err != nil {
		return nil, err
	}
	clock.lap(phaseAddress)
	if err := a.connect(ctx, plan); err != nil {
		return nil, err
	}
	clock.lap(phaseConnect)
	if err := a.configure(ctx, plan); err != nil {
		return nil, err
	}
	clock.lap(phaseConfigure)
	if err := a.installed(ctx, plan); err != nil {
		return nil, err
	}
	clock.lap(phaseInstall)
	if err := a.join(ctx, plan); err != nil {
		return nil, err
	}
	clock.lap(phaseJoin)
	logger(ctx, call).V(1).Info("attached", clock.log()...)
	return plan.Result(), nil
}

// whileThere gives a context that ends, with errPodGone, when the pod is
// deleted: nobody waits for its network then.
func (a *attacher) whileThere(ctx context.Context, pod cniwire.Pod) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		never := func(*corev1.Pod) error { return attachment.ErrNoAddress }
		if err := a.pods.await(ctx, pod, never); errors.Is(err, errPodGone) {
			cancel(err)
		}
	}()
	return ctx, cancel
}

// address waits for what the controller decides about the pod.
func (a *attacher) address(ctx context.Context, call cniwire.Request) (plan attachment.Attachment, err error) {
	bounded, cancel := context.WithTimeout(ctx, a.cfg.AddressWait)
	defer cancel()
	err = a.pods.await(bounded, call.Pod, func(pod *corev1.Pod) error {
		mtu, err := a.cfg.MTU(bounded, pod)
		if err != nil {
			return err
		}
		plan, err = attachment.Plan(pod, call, mtu)
		return err
	})
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return plan, a.noAddress(ctx, call.Pod, err)
	}
	return plan, err
}

// noAddress tells the user why, as far as it can be known.
func (a *attacher) noAddress(ctx context.Context, pod cniwire.Pod, err error) error {
	why := "kube-ovn-controller gave it none"
	if errors.Is(err, errUnheard) {
		why = errUnheard.Error()
	}
	details := fmt.Sprintf("%s within %s; see: kubectl -n %s describe pod %s", why, a.cfg.AddressWait, pod.Namespace, pod.Name)
	if a.cfg.Explain != nil {
		if reason := a.cfg.Explain(ctx, pod.Namespace, pod.Name); reason != "" {
			details = reason
		}
	}
	return &cniwire.Error{Code: cniwire.CodeTryAgainLater, Message: fmt.Sprintf("pod %s has no address yet", pod), Details: details}
}

// connect lays the cable, whose end in the pod is still down, and plugs it into
// the switch.
func (a *attacher) connect(ctx context.Context, plan attachment.Attachment) error {
	if err := a.cfg.Links.Connect(ctx, plan.Link); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, commitWait)
	defer cancel()
	_, err := a.cfg.Switch.Apply(bounded, plan.Owner, plan.Switching)
	return err
}

// installed waits for OVN.
func (a *attacher) installed(ctx context.Context, plan attachment.Attachment) error {
	bounded, cancel := context.WithTimeout(ctx, a.cfg.InstallWait)
	defer cancel()
	return a.cfg.Switch.Installed(bounded, plan.Link.Host)
}

// awaitReady gives the node, after the agent's start, as long as a pod's address.
func (a *attacher) awaitReady(ctx context.Context) error {
	lacks := a.cfg.Ready()
	if lacks == nil || a.cfg.Readied == nil {
		return lacks
	}
	bounded, cancel := context.WithTimeout(ctx, a.cfg.AddressWait)
	defer cancel()
	select {
	case <-a.cfg.Readied():
		return nil
	case <-bounded.Done():
		return a.cfg.Ready()
	}
}
