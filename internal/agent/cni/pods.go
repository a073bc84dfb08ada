package cni

import (
	"context"
	"errors"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"hawser/internal/cniwire"
	"hawser/internal/nodeplan/attachment"
)

// errPodGone ends the ADD of a pod that is being deleted.
var errPodGone = errors.New("the pod was deleted meanwhile")

// errUnheard is the reason why a wait was in vain when no such pod ever came.
var errUnheard = errors.New("the agent has not heard of the pod from the API server")

// mirrorKey is set on the API's image of a static pod to the UID that the kubelet
// knows it by, and hands to CNI (k8s.io/kubernetes/pkg/kubelet/types).
const mirrorKey = "kubernetes.io/config.mirror"

// podWatch lets calls wait for changes of one pod.
type podWatch struct {
	pods Pods

	mu      sync.Mutex
	waiting map[client.ObjectKey]map[chan struct{}]bool
}

func newPodWatch(pods Pods) *podWatch {
	return &podWatch{pods: pods, waiting: map[client.ObjectKey]map[chan struct{}]bool{}}
}

// listen has the informer wake those who wait. It does not wait for the API
// server, which may be away when the agent starts.
func (w *podWatch) listen(ctx context.Context) error {
	informer, err := w.pods.GetInformer(ctx, &corev1.Pod{}, cache.BlockUntilSynced(false))
	if err != nil {
		return err
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    w.wake,
		UpdateFunc: func(_, now any) { w.wake(now) },
		DeleteFunc: w.wake,
	})
	return err
}

func (w *podWatch) wake(object any) {
	if last, missed := object.(toolscache.DeletedFinalStateUnknown); missed {
		object = last.Obj
	}
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for ring := range w.waiting[client.ObjectKeyFromObject(pod)] {
		select {
		case ring <- struct{}{}:
		default:
		}
	}
}

// join gives a channel that rings at each change of a pod until leave is called.
func (w *podWatch) join(key client.ObjectKey) (ring chan struct{}, leave func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting[key] == nil {
		w.waiting[key] = map[chan struct{}]bool{}
	}
	ring = make(chan struct{}, 1)
	w.waiting[key][ring] = true
	return ring, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if delete(w.waiting[key], ring); len(w.waiting[key]) == 0 {
			delete(w.waiting, key)
		}
	}
}

// await calls try with the pod, at first and after each change, until it gives
// anything else than ErrNoAddress. It gives errPodGone when the pod is deleted or
// about to be.
func (w *podWatch) await(ctx context.Context, want cniwire.Pod, try func(*corev1.Pod) error) error {
	key := client.ObjectKey{Namespace: want.Namespace, Name: want.Name}
	ring, leave := w.join(key)
	defer leave()
	for seen := false; ; {
		pod, err := w.look(ctx, key, want.UID)
		switch {
		case err != nil:
			return err
		case pod == nil && seen, pod != nil && pod.DeletionTimestamp != nil:
			return errPodGone
		case pod != nil:
			seen = true
			if err := try(pod); !errors.Is(err, attachment.ErrNoAddress) {
				return err
			}
		}
		select {
		case <-ring:
		case <-ctx.Done():
			return inVain(ctx, seen)
		}
	}
}

// look gives the pod if the cache has it. An older pod of the same name, whose
// deletion the cache has yet to hear of, is not it.
func (w *podWatch) look(ctx context.Context, key client.ObjectKey, uid string) (*corev1.Pod, error) {
	pod := &corev1.Pod{}
	err := w.pods.Get(ctx, key, pod)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading pod %s: %w", key, err)
	case uid == "" || uid == string(pod.UID) || uid == pod.Annotations[mirrorKey]:
		return pod, nil
	}
	return nil, nil
}

func inVain(ctx context.Context, seen bool) error {
	if seen {
		return ctx.Err()
	}
	return fmt.Errorf("%w: %w", errUnheard, ctx.Err())
}
