package uplink

import (
	"slices"
	"strings"

	"hawser/internal/host"
)

// Strays are the plans, by provider network, of what stands on a host without
// being noted anywhere: somebody has deleted the journal. A shared uplink is told
// by its pins, or by the alias of its pair; a NIC that is a port, or taken over, by
// its bridge's marks. A NIC that was to be a port and stands by is told by nothing,
// and left as it is: up, and the host deaf to it. Of one that is taken over
// NetworkManager has been told if it manages the NIC (managed).
func Strays(on host.Snapshot, pinned []host.Uplink, userspace bool, managed []string, noted func(provider string) bool) map[string]host.Plan {
	found := map[string][]host.Uplink{}
	add := func(up host.Uplink) {
		known := slices.ContainsFunc(found[up.Provider], func(have host.Uplink) bool { return have.NIC == up.NIC })
		if known || noted(up.Provider) {
			return
		}
		link, _ := on.NIC(up)
		up.Index, up.MTU, up.Userspace = link.Index, link.MTU, userspace
		if up.Attachment == host.AttachTakeover {
			up.MAC, up.Managed = link.MAC, !up.Exchange && slices.Contains(managed, up.NIC)
		}
		found[up.Provider] = append(found[up.Provider], up)
	}
	for _, up := range pinned {
		add(up)
	}
	for _, link := range on.Links {
		if up, ours := ofPair(link); ours {
			add(up)
		}
	}
	for _, bridge := range on.Bridges {
		if provider, ours := strings.CutPrefix(bridge.Owner, Owner("")); ours {
			for _, nic := range nicsOf(bridge, on, len(found[provider]) == 0) {
				add(uplinkOf(provider, nic, bridge))
			}
		}
	}
	strays := map[string]host.Plan{}
	for provider, uplinks := range found {
		strays[provider] = steps(together(uplinks, on))
	}
	return strays
}

func ofPair(link host.Link) (up host.Uplink, ours bool) {
	up, ours = host.ReadAlias(link.Alias)
	return up, ours && link.Kind == "veth"
}

// uplinkOf is an uplink that a bridge of ours was made for.
func uplinkOf(provider, nic string, bridge host.Installed) host.Uplink {
	up := host.Uplink{Provider: provider, NIC: nic, Attachment: host.AttachPort, Bridge: bridge.Name}
	if bridge.Takeover {
		up.Attachment = host.AttachTakeover
	}
	if bridge.Takeover && bridge.Name != host.BridgeOf(provider) {
		up.NIC, up.Exchange = bridge.Name, true
	}
	return up
}

// nicsOf are the NICs that are ports of a bridge. Patches to other bridges are no
// devices, and internal ports no NICs. The bridge alone, with "" for its NIC, is of
// interest where nothing else was found.
func nicsOf(bridge host.Installed, on host.Snapshot, alone bool) (nics []string) {
	for _, port := range bridge.Ports {
		link, found := on.Link(port)
		if _, tap := ofPair(link); found && !tap && link.Kind != "openvswitch" {
			nics = append(nics, port)
		}
	}
	if len(nics) == 0 && alone {
		return []string{""}
	}
	return nics
}

// together are several uplinks as they stand: those that are not in the bridge
// stand by, unless it takes part in a spanning tree.
func together(uplinks []host.Uplink, on host.Snapshot) []host.Uplink {
	spanning := slices.ContainsFunc(on.Bridges, func(b host.Installed) bool { return b.Name == uplinks[0].Bridge && b.RSTP })
	for i := range uplinks {
		up := &uplinks[i]
		_, in := on.BridgeWith(up.Member())
		up.Apart = len(uplinks) > 1
		up.Standby = up.Apart && !in && !spanning
		if spanning {
			up.RSTP, up.Place = true, i+1
		}
	}
	return uplinks
}
