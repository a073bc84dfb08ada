package uplink

import (
	"strings"

	"hawser/internal/host"
)

// Strays are the plans, by provider network, of what stands on a host without
// being noted anywhere: somebody has deleted the journal. A shared uplink is told
// by its pins, or by the alias of its pair; a NIC that is a port, or taken over, by its
// bridge's marks. Where a provider network has several, one is found now and the next
// one when that is gone.
func Strays(on host.Snapshot, pinned []host.Uplink, userspace bool, noted func(provider string) bool) map[string]host.Plan {
	strays := map[string]host.Plan{}
	add := func(up host.Uplink) {
		if _, found := strays[up.Provider]; found || noted(up.Provider) {
			return
		}
		link, _ := on.NIC(up)
		up.Index, up.MTU, up.Userspace = link.Index, link.MTU, userspace
		if up.Attachment == host.AttachTakeover {
			up.MAC = link.MAC
		}
		strays[up.Provider] = steps(up)
	}
	for _, up := range pinned {
		add(up)
	}
	for _, link := range on.Links {
		if up, ours := host.ReadAlias(link.Alias); ours && link.Kind == "veth" {
			add(up)
		}
	}
	for _, bridge := range on.Bridges {
		if provider, ours := strings.CutPrefix(bridge.Owner, Owner("")); ours {
			add(uplinkOf(provider, bridge, on))
		}
	}
	return strays
}

// uplinkOf is the uplink that a bridge of ours was made for.
func uplinkOf(provider string, bridge host.Installed, on host.Snapshot) host.Uplink {
	up := host.Uplink{Provider: provider, NIC: portOf(bridge, on), Attachment: host.AttachPort, Bridge: bridge.Name}
	if bridge.Takeover {
		up.Attachment = host.AttachTakeover
	}
	if bridge.Takeover && bridge.Name != host.BridgeOf(provider) {
		up.NIC, up.Exchange = bridge.Name, true
	}
	return up
}

// portOf is the NIC that is a port of a bridge; "" where none is. Patches to other
// bridges are no devices, and internal ports no NICs.
func portOf(bridge host.Installed, on host.Snapshot) string {
	for _, port := range bridge.Ports {
		if link, found := on.Link(port); found && link.Kind != "openvswitch" {
			return port
		}
	}
	return ""
}
