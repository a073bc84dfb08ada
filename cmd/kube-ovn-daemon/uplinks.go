package main

import (
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/agent/options"
	agentuplink "hawser/internal/agent/uplink"
	"hawser/internal/host"
	"hawser/internal/kernel"
	"hawser/internal/loop"
	"hawser/internal/netmanager"
	"hawser/internal/steps"
	"hawser/internal/takeover"
	"hawser/internal/uplink"
	"hawser/internal/vswitch"
)

// bootID tells one boot of the machine from the next (random(4)).
const bootID = "/proc/sys/kernel/random/boot_id"

// part is the kind of a node's part in a provider network.
var part client.Object = &kubeovnv1.ProviderNetworkNode{}

// ownParts has the cache hold the parts of one node only.
func ownParts(node string) cache.ByObject {
	return cache.ByObject{Label: labels.SelectorFromSet(labels.Set{kubeovnv1.LabelHostname: node})}
}

// newUplinks adds the reconciler of this node's uplinks to the manager.
func newUplinks(mgr ctrl.Manager, o options.Options, links *kernel.Client, local *vswitch.Client) (*agentuplink.Uplinks, error) {
	taps, err := uplink.Open(uplink.Options{})
	if err != nil {
		return nil, err
	}
	surroundings, err := kernel.Listen()
	if err != nil {
		return nil, err
	}
	boot, err := thisBoot()
	if err != nil {
		return nil, err
	}
	mover, err := newMover(mgr.GetConfig(), boot)
	if err != nil {
		return nil, err
	}
	network := netmanager.New(netmanager.DefaultBus, netmanager.DefaultRules)
	journal, err := steps.Open(o.Journal, boot, edgesOf(links, local, taps, mover, network))
	if err != nil {
		return nil, err
	}
	uplinks := &agentuplink.Uplinks{
		Node: o.Node, Options: o.Uplinks(), Client: mgr.GetClient(), Events: mgr.GetEventRecorder("kube-ovn-cni"),
		Edges: agentuplink.Edges{
			Kernel: links, Switch: vswitch.Uplinks{Client: local}, NetworkManager: network, Taps: taps, Prober: taps, Mover: mover, Journal: journal,
			Patrol: loop.NewPatrol(),
		},
		Userspace: func() bool { return local.ExternalID("ovn-bridge-datapath-type") == "netdev" },
		Now:       time.Now,
		Silent:    !o.AskForeignMACs,
	}
	if err := metrics.Registry.Register(agentuplink.Counters{Uplinks: uplinks}); err != nil {
		return nil, fmt.Errorf("register the metrics of uplinks: %w", err)
	}
	return uplinks, uplinks.Register(mgr, surroundings.Changed(), vswitch.Uplinks{Client: local}.StateChanged(), network.Changed())
}

func thisBoot() (string, error) {
	boot, err := os.ReadFile(bootID)
	if err != nil {
		return "", fmt.Errorf("tell this boot from others: %w", err)
	}
	return strings.TrimSpace(string(boot)), nil
}

// newMover makes the edge of takeovers, which are good if this agent's API server
// answers after them.
func newMover(cfg *rest.Config, boot string) (*takeover.Client, error) {
	server, _, err := rest.DefaultServerUrlFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("find the API server's address: %w", err)
	}
	port := server.Port()
	if port == "" {
		port = server.Scheme // a name of it, too
	}
	return takeover.Open(takeover.Options{Server: net.JoinHostPort(server.Hostname(), port), Boot: boot})
}

// edgesOf says who does which step.
func edgesOf(links *kernel.Client, local *vswitch.Client, taps *uplink.Client, mover *takeover.Client, network *netmanager.Client) map[host.Action]steps.Edge {
	bridges, nics := vswitch.Uplinks{Client: local}, kernel.Uplinks{Client: links}
	return map[host.Action]steps.Edge{
		host.ActionBridge: bridges, host.ActionJoin: bridges, host.ActionBond: bridges, host.ActionMapping: bridges,
		host.ActionVLAN: nics, host.ActionUp: nics, host.ActionIsolate: nics,
		host.ActionPair: taps, host.ActionLoad: taps, host.ActionFilter: taps, host.ActionPromisc: taps,
		host.ActionWitness: mover, host.ActionHold: mover, host.ActionRename: mover, host.ActionDress: mover, host.ActionCopy: mover,
		host.ActionSwitch: mover, host.ActionBare: mover, host.ActionRelease: mover, host.ActionConfirm: mover, host.ActionKeep: mover,
		host.ActionQuiet: netmanager.Uplinks{Client: network},
	}
}
