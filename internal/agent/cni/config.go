// Package cni is the node agent's side of CNI: it attaches containers to the
// virtual network, takes them off again, and says whether they still are.
//
//	plugin ──ADD──▶ wait for the pod's address ──▶ veth pair ──▶ OVSDB port
//	                 (pod informer)                               │
//	       ◀──────── wait for ovn-installed ◀── addresses, routes ┘
//	                 (OVSDB monitor)              in the pod
//
// It keeps nothing between calls. What exists is written in OVSDB (the port, with
// owner Pod/<namespace>/<name>) and in the kernel (the host end of the veth pair,
// with the same owner as its alias), so that any step may be repeated, a call may
// be cut off anywhere, and a restarted agent finds what it needs. ADD repeated
// ends where ADD would have; DEL removes whatever there is; the sweep at start is
// DEL for the pods that are no longer on this node. ADD undoes nothing when it
// fails: runtimes call DEL then, and a later ADD of the pod replaces its port.
package cni

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"hawser/internal/host"
)

// Pods are the pods of this node only, as a manager's cache gives them.
type Pods interface {
	client.Reader
	GetInformer(ctx context.Context, obj client.Object, opts ...cache.InformerGetOption) (cache.Informer, error)
	WaitForCacheSync(ctx context.Context) bool
}

// Switch is the local Open vSwitch; *vswitch.Client is one.
type Switch interface {
	Apply(ctx context.Context, owner string, want host.Switching) (changed int, err error)
	All(prefix string) map[string]host.Switching
	Installed(ctx context.Context, port string) error
	Connected() bool
}

// Links makes the cables of pods; *kernel.Client does.
type Links interface {
	// Connect makes the pair, or finds it made, with the host end down and deaf.
	Connect(ctx context.Context, link host.PodLink) error
	// Configure gives the pod's end its addresses and routes and sets both up.
	Configure(ctx context.Context, link host.PodLink) error
	// Disconnect removes the pair; that there is none is no error.
	Disconnect(ctx context.Context, hostLink string) error
	// Check compares MAC and addresses of a pair, and that it is up.
	Check(ctx context.Context, link host.PodLink) error
	// PodLinks lists all pairs of ours, with Host and Owner only.
	PodLinks(ctx context.Context) ([]host.PodLink, error)
}

// Config is what the server needs. All but the last group and Readied have to be set.
type Config struct {
	Socket string // where to listen, normally cniwire.DefaultSocket
	Pods   Pods
	Switch Switch
	Links  Links
	// MTU is that of a new pod; the error says why it cannot have a network here.
	MTU func(ctx context.Context, pod *corev1.Pod) (int, error)
	// Wire is asked for pods on a physical network; ChecksGateway tells of a
	// subnet whether its gateways have to answer, and DetectConflicts whether
	// somebody else with a pod's address keeps it from starting.
	Wire            Wire
	ChecksGateway   func(ctx context.Context, subnet string) bool
	DetectConflicts bool
	// Ready says what the node still lacks before pods can be attached.
	Ready func() error
	// Readied gives a channel that is closed once the node lacks nothing, so that
	// an ADD just after the agent's start waits instead of failing; nil if there
	// is none.
	Readied func() <-chan struct{}

	// Explain says, if it knows, why a pod has no address; it may ask the API
	// server and is only called when waiting was in vain.
	Explain func(ctx context.Context, namespace, name string) string
	// AddressWait and InstallWait bound the two waits of ADD; 0 is 30 s each.
	AddressWait, InstallWait time.Duration
	// Metrics takes the server's histograms; nil means none.
	Metrics prometheus.Registerer
}

// defaultWait is long beside the 100 ms that ADD takes and short beside the four
// minutes of kubelet, whose event then tells the user what is wrong.
const defaultWait = 30 * time.Second
