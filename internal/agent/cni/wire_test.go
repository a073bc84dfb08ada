package cni

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
	"hawser/test/netnstest"
)

// fakeWire is a physical network that may be silent, or have an address already.
type fakeWire struct {
	silent, taken error
	calls         []string
}

func (f *fakeWire) Reach(ctx context.Context, _ host.PodLink, gateways []netip.Addr) error {
	f.calls = append(f.calls, "reach "+gateways[0].String())
	if f.silent == nil {
		return nil
	}
	<-ctx.Done()
	return errors.Join(f.silent, ctx.Err())
}

func (f *fakeWire) Claim(_ context.Context, link host.PodLink) error {
	f.calls = append(f.calls, "claim "+link.Addresses[0].String())
	return f.taken
}

// wired is a pod on a physical network.
func wired(name, uid string) *corev1.Pod {
	pod := allocated(name, uid)
	pod.Annotations[kubeovnv1.AnnotationProviderNetwork] = "lan"
	return pod
}

func TestAddOnAPhysicalNetwork(t *testing.T) {
	for name, c := range map[string]struct {
		wire      fakeWire
		unchecked bool
		calls     string
		refusal   string
	}{
		"all well":                   {calls: "reach 10.16.0.1,claim 10.16.0.5/16"},
		"no gateway":                 {wire: fakeWire{silent: errors.New("gateway 10.16.0.1 does not answer")}, calls: "reach 10.16.0.1", refusal: "disableGatewayCheck"},
		"no gateway, and never mind": {wire: fakeWire{silent: errors.New("silence")}, unchecked: true, calls: "claim 10.16.0.5/16"},
		"somebody else's address":    {wire: fakeWire{taken: errors.New("02:00:00:00:00:01 answers for 10.16.0.5")}, calls: "reach 10.16.0.1,claim 10.16.0.5/16", refusal: "excludeIps"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.ovnController()
			r.pods.put(wired("web", "uid-1"))
			cfg := r.config()
			cfg.Wire, cfg.DetectConflicts, cfg.InstallWait = &c.wire, true, 2*time.Second
			cfg.ChecksGateway = func(_ context.Context, subnet string) bool { return subnet == "ovn-default" && !c.unchecked }
			_, err := r.serverOf(cfg).add(t.Context(), r.call(netnstest.New(t), first))
			if (err == nil) != (c.refusal == "") || err != nil && !strings.Contains(err.Error(), c.refusal) {
				t.Errorf("answer %v", err)
			}
			if got := strings.Join(c.wire.calls, ","); got != c.calls {
				t.Errorf("asked %s", got)
			}
		})
	}
}

// TestAddWithoutAddress: the pod has a MAC from us and asks the physical network
// for the rest; the runtime hears of the address that the kernel made.
func TestAddWithoutAddress(t *testing.T) {
	pod := wired("web", "uid-1")
	for _, key := range []string{kubeovnv1.AnnotationIPAddress, kubeovnv1.AnnotationCIDR, kubeovnv1.AnnotationGateway} {
		delete(pod.Annotations, key)
	}
	r := newRig(t)
	r.ovnController()
	r.pods.put(pod)
	cfg := r.config()
	cfg.Wire, cfg.DetectConflicts = &fakeWire{}, true
	server, call := r.serverOf(cfg), r.call(netnstest.New(t), first)
	got := mustAdd(t, server, call)
	if len(got.IPs) != 1 || got.IPs[0].Address.String() != "fe80::800:ff:fe00:5/64" || len(got.Routes) != 0 || got.MAC != "0a:00:00:00:00:05" {
		t.Errorf("%+v", got)
	}
	call.Previous = got
	if _, err := server.check(t.Context(), call); err != nil {
		t.Error(err)
	}
}
