package takeover

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"hawser/internal/host"
	"hawser/internal/steps"
	"hawser/test/netnstest"
)

// TestGatewayLost: a gateway that is not heard by the bridge any more takes the
// takeover back, in time.
func TestGatewayLost(t *testing.T) {
	r := newRig(t, false)
	before := r.world()
	a := r.agent(func(edge steps.Edge) steps.Edge {
		return doing{edge, func(step host.Step) {
			if step.Action == host.ActionConfirm {
				r.gateway.IP("address flush dev far")
			}
		}}
	})
	defer a.close()
	begun := time.Now()
	err := a.runner.Settle(t.Context(), "lan", r.plan)
	if !errors.Is(err, steps.ErrRolledBack) || !errors.Is(err, host.ErrConnectivityLost) || !strings.Contains(err.Error(), gatewayIP) {
		t.Errorf("%v", err)
	}
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("rolled back after %v", took)
	}
	r.same(before, "rolled back")
	if err := r.settle(r.plan); !errors.Is(err, host.ErrConnectivityLost) || !strings.Contains(err.Error(), "by eth0") {
		t.Errorf("began although the gateway is silent: %v", err)
	}
	r.same(before, "not begun")
}

// doing does something before each step.
type doing struct {
	steps.Edge
	before func(host.Step)
}

func (d doing) Do(ctx context.Context, step host.Step) error {
	d.before(step)
	return d.Edge.Do(ctx, step)
}

// TestServerLost is the same of the API server.
func TestServerLost(t *testing.T) {
	netnstest.Enter(t)
	c, err := Open(Options{Server: "192.0.2.254:6443", Patience: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	far := netnstest.New(t)
	far.Cable("eth0", "far")
	netnstest.IP(t, "address add 192.0.2.10/24 dev eth0")
	netnstest.IP(t, "route add default via 192.0.2.254")
	step := host.Step{Action: host.ActionWitness, Uplink: host.Uplink{NIC: "eth0", Bridge: "br-lan", Provider: "lan"}}
	if err := c.Do(t.Context(), step); !errors.Is(err, host.ErrConnectivityLost) || !strings.Contains(err.Error(), "gateway") {
		t.Errorf("without anybody: %v", err)
	}
	far.IP("address add 192.0.2.254/24 dev far")
	c.oracle.options.Patience = 5 * time.Second
	if err := c.Do(t.Context(), step); err != nil {
		t.Errorf("refused, by somebody: %v", err)
	}
	far.IP("route add blackhole 192.0.2.10")
	far.IP("neigh replace 192.0.2.10 lladdr 02:00:00:00:00:01 dev far")
	c.oracle.options.Patience = 300 * time.Millisecond
	if err := c.Do(t.Context(), step); !errors.Is(err, host.ErrConnectivityLost) {
		t.Errorf("without a way back: %v", err)
	}
}

// TestLaterOnes: an address that somebody puts on the NIC goes to the bridge, and
// one that came on the bridge goes to the NIC with the others.
func TestLaterOnes(t *testing.T) {
	everyWay(t, func(t *testing.T, r *rig) {
		before := r.world()
		r.must(r.settle(r.plan))
		netnstest.IP(t, "address add 192.0.2.200/24 dev %s", r.uplink.Device())
		netnstest.IP(t, "address add 192.0.2.201/32 dev %s", r.uplink.Bridge)
		netnstest.IP(t, "route add 10.77.0.0/16 via 192.0.2.253 dev %s", r.uplink.Device())
		r.must(r.settle(r.plan))
		r.isTaken()
		for _, address := range []string{"192.0.2.200/24", "192.0.2.201/32"} {
			if on := r.run("ip", "-o", "address", "show", "dev", r.uplink.Bridge); !strings.Contains(on, address) {
				t.Errorf("%s is not on the bridge: %s", address, on)
			}
		}
		r.must(r.settle(host.Plan{}))
		for _, words := range []string{"address del 192.0.2.200/24 dev eth0", "address del 192.0.2.201/32 dev eth0", "route del 10.77.0.0/16 via 192.0.2.253 dev eth0"} {
			netnstest.IP(t, "%s", words)
		}
		r.same(before, "taken away again")
	})
}

// TestBridgeLost: somebody deletes the bridge, and the host's addresses with it. The
// next agent gives them back, to a new bridge or to the NIC.
func TestBridgeLost(t *testing.T) {
	for name, want := range map[string]bool{"taken over": true, "taken back": false} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, false)
			before := r.world()
			r.must(r.settle(r.plan))
			taken := r.world()
			r.db.VSCtl("del-br", r.uplink.Bridge)
			r.await(func() bool { return exec.Command("ip", "link", "show", r.uplink.Bridge).Run() != nil })
			if want {
				r.must(r.settle(r.plan))
				r.same(taken, "again")
			}
			r.must(r.settle(host.Plan{}))
			r.same(before, "undone")
		})
	}
}

// TestUnplugged: of a NIC that is no more there is nothing to give back.
func TestUnplugged(t *testing.T) {
	r := newRig(t, false)
	r.must(r.settle(r.plan))
	netnstest.IP(t, "link del eth0")
	if err := r.settle(r.plan); !errors.Is(err, host.ErrMissing) {
		t.Errorf("confirmed without a NIC: %v", err)
	}
	r.must(r.settle(host.Plan{}))
	r.await(func() bool { return exec.Command("ip", "link", "show", r.uplink.Bridge).Run() != nil })
}

// TestObjects: a route by a nexthop object is refused, and nothing is changed.
func TestObjects(t *testing.T) {
	r := newRig(t, false)
	netnstest.IP(t, "nexthop add id 7 via %s dev eth0", gatewayIP)
	netnstest.IP(t, "route add 10.50.0.0/16 nhid 7")
	before := r.world()
	if err := r.settle(r.plan); !errors.Is(err, steps.ErrRolledBack) || !strings.Contains(err.Error(), "nexthop object 7") {
		t.Error(err)
	}
	r.same(before, "refused")
}
