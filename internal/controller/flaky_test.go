package controller

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/logical"
)

var errFlaky = errors.New("the connection was lost")

// Writes fail, and answers to writes that were made get lost, while pods come
// and go. In the end everything is as if nothing had happened.
func TestWritesFailAndAnswersGetLost(t *testing.T) {
	w := newWorld(t)
	var calm atomic.Bool
	fail := func() error {
		if !calm.Load() && rand.IntN(4) == 0 {
			return errFlaky
		}
		return nil
	}
	calm.Store(true)
	c := w.start(func(c *controllerUnderTest) {
		c.writes.before = func(string, client.Object) error { return fail() }
		c.writes.lose = fail
		c.edge().before = func(logical.Owner, logical.State) error { return fail() }
	})
	w.namespace("shop")
	w.node("n1", "172.30.0.11")
	c.quiet()
	calm.Store(false)
	var left []string
	var gone []*corev1.Pod
	for i := range 30 {
		name := fmt.Sprintf("p%d", i)
		pod := w.pod("shop", name, "n1")
		if i%3 == 0 {
			gone = append(gone, pod)
			continue
		}
		left = append(left, name)
	}
	for _, pod := range gone {
		w.remove(pod)
	}
	for _, name := range left {
		pod := &corev1.Pod{}
		pod.Namespace, pod.Name = "shop", name
		w.allocated(pod)
	}
	calm.Store(true)
	w.eventually("ports, IP objects and pods disagree", func() error {
		if n := len(w.ips()); n != len(left)+1 { // the node has one
			return fmt.Errorf("%d IP objects", n)
		}
		return w.consistent(left...)
	})
}

// A subnet that cannot be realised: its pods wait and say why, and go on when
// it is mended.
func TestPodsOfABrokenSubnet(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.namespace("shop")
	w.node("n1", "172.30.0.11")
	w.makeSubnet("first", "10.20.0.0/16")
	w.condition("first", "Ready=True")
	broken := w.makeSubnet("second", "10.20.5.0/24")
	w.condition("second", "Validated=False")
	pod := w.pod("shop", "web", "n1", "logical_switch", "second")
	w.event(pod, "UnknownSubnet")
	lost := w.pod("shop", "lost", "n1", "logical_switch", "nowhere")
	w.event(lost, "UnknownSubnet")
	edit(w, broken, func(s *kubeovnv1.Subnet) { s.Spec.CIDRBlock, s.Spec.Gateway = "10.21.0.0/24", "" })
	w.allocated(pod)
	w.makeSubnet("nowhere", "10.22.0.0/24")
	w.allocated(lost)
}
