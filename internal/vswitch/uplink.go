package vswitch

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"hawser/internal/host"
)

// mappingsKey is where ovn-controller reads which bridge leads to which
// physical network: "<network>:<bridge>,…" (ovn-controller(8)). Administrators
// write networks of their own there.
const mappingsKey = "ovn-bridge-mappings"

// takenKey is in Bridge.external_ids of one that takes a NIC over, and tells, as of
// a Kube-OVN's bridges, whether the two have exchanged their names. start-ovs.sh
// knows those bridges by it.
const takenKey = "exchange-link-name"

// userspace is the datapath_type of a bridge whose datapath is in ovs-vswitchd.
const userspace = "netdev"

// stepTimeout bounds one step while the database's server is away: a plan waits
// for it as a whole, and not half-way.
const stepTimeout = 5 * time.Second

// Uplinks does the steps of a plan that Open vSwitch takes part in:
// ActionBridge, ActionJoin, ActionBond and ActionMapping. All rows of a provider network
// have the owner ProviderNetwork//<name>.
type Uplinks struct{ *Client }

// UplinkOwner is the owner of the bridge of a provider network and of its
// uplinks.
func UplinkOwner(provider string) string { return "ProviderNetwork//" + provider }

// Before has nothing to remember: what was there before us has another owner,
// and is refused.
func (u Uplinks) Before(context.Context, host.Step) (string, error) { return "", nil }

// Do brings a step about. That the database has it is enough; ovs-vswitchd acts
// when it can.
func (u Uplinks) Do(ctx context.Context, step host.Step) error {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	up, owner := step.Uplink, UplinkOwner(step.Uplink.Provider)
	have := u.All(owner)[owner]
	switch step.Action {
	case host.ActionBridge:
		if len(have.Bridges) == 0 {
			if err := u.done(ctx); err != nil {
				return err
			}
		}
		_, err := u.Apply(ctx, owner, host.Switching{Bridges: []host.Bridge{bridgeOf(up)}, Ports: asTheyAre(have.Ports)})
		return err
	case host.ActionJoin, host.ActionBond:
		_, err := u.Apply(ctx, owner, host.Switching{Bridges: []host.Bridge{standing(up, have)}, Ports: joined(have.Ports, up)})
		return err
	case host.ActionMapping:
		return u.mapNetwork(ctx, up.Provider, up.Bridge)
	}
	return fmt.Errorf("open vSwitch has no part in %q", step.Action)
}

// Undo takes a step back.
func (u Uplinks) Undo(ctx context.Context, step host.Step) error {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	up, owner := step.Uplink, UplinkOwner(step.Uplink.Provider)
	have := u.All(owner)[owner]
	switch step.Action {
	case host.ActionBridge:
		_, err := u.Apply(ctx, owner, host.Switching{})
		return err
	case host.ActionJoin, host.ActionBond:
		var bridges []host.Bridge
		if len(have.Bridges) > 0 {
			bridges = append(bridges, standing(up, have))
		}
		_, err := u.Apply(ctx, owner, host.Switching{Bridges: bridges, Ports: without(have.Ports, up.Member())})
		return err
	case host.ActionMapping:
		return u.mapNetwork(ctx, up.Provider, "")
	}
	return fmt.Errorf("open vSwitch has no part in %q", step.Action)
}

// Bridges lists all bridges with their ports and the devices of bonds, whoever made
// them, by name.
func (u Uplinks) Bridges() []host.Installed {
	have, err := u.snapshot(atOnce)
	if err != nil {
		return nil
	}
	var out []host.Installed
	for name, row := range have.bridges {
		owner, _ := ownerOf(row.ExternalIDs, "")
		bridge := host.Installed{
			Name: name, Owner: owner, KubeOVN: owner == "" && row.ExternalIDs[vendorKey] == vendor,
			Takeover: row.ExternalIDs[takenKey] != "", RSTP: row.RSTPEnable,
		}
		for port, of := range have.ports {
			if have.home[of.UUID] == name && port != name {
				bridge.Ports = append(bridge.Ports, port)
				_, members := have.bond(of)
				bridge.Ports = append(bridge.Ports, members...)
			}
		}
		slices.Sort(bridge.Ports)
		out = append(out, bridge)
	}
	slices.SortFunc(out, func(a, b host.Installed) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// mapNetwork sets or, with no bridge, removes one network, and leaves those of
// others as they are.
func (u Uplinks) mapNetwork(ctx context.Context, network, bridge string) error {
	var kept []string
	for mapping := range strings.SplitSeq(u.ExternalID(mappingsKey), ",") {
		if name, _, _ := strings.Cut(mapping, ":"); mapping != "" && name != network {
			kept = append(kept, mapping)
		}
	}
	if bridge != "" {
		kept = append(kept, network+":"+bridge)
	}
	if slices.Equal(slices.Sorted(slices.Values(kept)), slices.Sorted(strings.SplitSeq(u.ExternalID(mappingsKey), ","))) {
		return nil
	}
	_, err := u.SetExternalIDs(ctx, map[string]string{mappingsKey: strings.Join(kept, ",")})
	return err
}

func bridgeOf(up host.Uplink) host.Bridge {
	bridge := host.Bridge{Name: up.Bridge, MAC: up.MAC, ExternalIDs: map[string]string{takenKey: ""}}
	if up.Userspace {
		bridge.DatapathType = userspace
	}
	if up.Attachment == host.AttachTakeover {
		bridge.ExternalIDs[takenKey] = strconv.FormatBool(up.Exchange)
	}
	if up.RSTP {
		bridge = span(bridge)
	}
	return bridge
}

// standing is the bridge in a step about one of its uplinks, which may have been noted
// before RSTP was switched on.
func standing(up host.Uplink, have host.Switching) host.Bridge {
	up.RSTP = up.RSTP || len(have.Bridges) > 0 && have.Bridges[0].RSTP
	return bridgeOf(up)
}

// joined are the ports with an uplink among them, or, while it stands by, without.
func joined(ports []host.BridgePort, up host.Uplink) []host.BridgePort {
	others := without(ports, up.Member())
	if up.Standby {
		return others
	}
	return append(others, host.BridgePort{
		Bridge: up.Bridge, Name: up.Member(), Mode: up.Mode, Members: up.Members(), Protected: up.Apart || up.Alone, Place: up.Place,
	})
}

// asTheyAre are ports as they are, with nothing to change.
func asTheyAre(ports []host.BridgePort) []host.BridgePort {
	out := slices.Clone(ports)
	for i := range out {
		out[i].ExternalIDs = nil
	}
	return out
}

func without(ports []host.BridgePort, name string) []host.BridgePort {
	return slices.DeleteFunc(asTheyAre(ports), func(p host.BridgePort) bool { return p.Name == name })
}
