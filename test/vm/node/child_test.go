package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
	"hawser/internal/kernel"
	"hawser/internal/netmanager"
	nodeuplink "hawser/internal/nodeplan/uplink"
	"hawser/internal/steps"
	"hawser/internal/uplink"
	"hawser/internal/vswitch"
)

// The test binary is the agent too, as far as uplinks go: the same plan, edges
// and journal, without an API server. Started with these variables it joins a
// NIC to a provider network, or takes it out, and ends; told so, it kills itself
// at one of the places where the real one may die.
const (
	joinVariable = "HAWSER_JOIN" // the NIC; empty takes out what joined
	diesVariable = "HAWSER_DIES" // the place, counted from 1
	journal      = "/run/hawser-journal"
	provider     = "lan"
)

// asAgent does what the variables say, if they are there.
func asAgent() (done bool) {
	nic, told := os.LookupEnv(joinVariable)
	if !told {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := settle(ctx, nic); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	return true
}

func settle(ctx context.Context, nic string) error {
	links, err := kernel.Open()
	if err != nil {
		return err
	}
	taps, err := uplink.Open(uplink.Options{})
	if err != nil {
		return err
	}
	local, err := vswitch.Dial(ctx, vswitch.DefaultEndpoint)
	if err != nil {
		return err
	}
	place, _ := strconv.Atoi(os.Getenv(diesVariable))
	bridges, nics := &mortal{vswitch.Uplinks{Client: local}, &place}, &mortal{kernel.Uplinks{Client: links}, &place}
	tap := &mortal{taps, &place}
	runner, err := steps.Open(journal, "this boot", map[host.Action]steps.Edge{
		host.ActionBridge: bridges, host.ActionJoin: bridges, host.ActionMapping: bridges,
		host.ActionUp: nics, host.ActionIsolate: nics,
		host.ActionPair: tap, host.ActionLoad: tap, host.ActionFilter: tap, host.ActionPromisc: tap,
	})
	if err != nil {
		return err
	}
	network := netmanager.New(netmanager.DefaultBus, netmanager.DefaultRules)
	if nic == "" {
		err := runner.Settle(ctx, provider, host.Plan{})
		_, kept := network.Keep(ctx)
		return errors.Join(err, kept)
	}
	plan, up, err := planFor(ctx, nic, links, local)
	if err != nil {
		return err
	}
	_, err = network.Keep(ctx, "hwo*", "hww*", up.Bridge)
	if err = errors.Join(err, runner.Settle(ctx, provider, plan)); err != nil {
		return err
	}
	mac, err := host.ParseMAC(podMAC)
	if err != nil {
		return err
	}
	_, followed := taps.Follow(ctx, up)
	_, kept := taps.Keep(ctx, up, host.Behind{Stations: []host.Station{{MAC: mac}}})
	return errors.Join(followed, kept)
}

// planFor is the plan that the agent would make of the node.
func planFor(ctx context.Context, nic string, links *kernel.Client, local *vswitch.Client) (host.Plan, host.Uplink, error) {
	snapshot, err := links.Snapshot(ctx)
	if err != nil {
		return host.Plan{}, host.Uplink{}, err
	}
	snapshot.Bridges = vswitch.Uplinks{Client: local}.Bridges()
	result, problem := nodeuplink.Plan(nodeuplink.Input{
		Options: nodeuplink.Options{Mark: host.UplinkMark}, Host: snapshot,
		Node: &kubeovnv1.ProviderNetworkNode{
			ObjectMeta: metav1.ObjectMeta{Name: provider + ".first"},
			Spec:       kubeovnv1.ProviderNetworkNodeSpec{ProviderNetwork: provider, Node: "first", Interfaces: []string{nic}, Attachment: kubeovnv1.AttachmentShared},
		},
	})
	if problem != nil {
		return host.Plan{}, host.Uplink{}, errors.New(problem.Message)
	}
	return result.Plan, result.Uplinks[0], nil
}

// mortal is an edge whose process dies, as by a kill -9, at one of its places:
// before and after each thing that it does.
type mortal struct {
	steps.Edge
	left *int
}

func (m *mortal) die() {
	if *m.left--; *m.left == 0 {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

// Do is that of the edge.
func (m *mortal) Do(ctx context.Context, step host.Step) error {
	m.die()
	defer m.die()
	return m.Edge.Do(ctx, step)
}

// Undo is that of the edge.
func (m *mortal) Undo(ctx context.Context, step host.Step) error {
	m.die()
	defer m.die()
	return m.Edge.Undo(ctx, step)
}

// join runs such an agent to its end; place 0 is never.
func join(t testing.TB, nic string, place int) (killed bool) {
	t.Helper()
	begun := time.Now()
	command := exec.Command("/in/tests")
	command.Env = append(os.Environ(), joinVariable+"="+nic, fmt.Sprintf("%s=%d", diesVariable, place))
	out, err := command.CombinedOutput()
	var ended *exec.ExitError
	if errors.As(err, &ended) && ended.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return true
	}
	if err != nil {
		t.Fatalf("join %q: %v\n%s", nic, err, strings.TrimSpace(string(out)))
	}
	t.Logf("joined %q in %v, process and all", nic, time.Since(begun).Round(time.Millisecond))
	return false
}
