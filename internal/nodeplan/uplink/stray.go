package uplink

import (
	"strings"

	"hawser/internal/host"
)

// Strays are the plans, by provider network, of what stands on a host without
// being noted anywhere: somebody has deleted the journal. A shared uplink is told
// by its pins, or by the alias of its pair; a NIC that is a port, by the owner of
// its bridge. Where a provider network has several, one is found now and the next
// one when that is gone.
func Strays(on host.Snapshot, pinned []host.Uplink, userspace bool, noted func(provider string) bool) map[string]host.Plan {
	strays := map[string]host.Plan{}
	add := func(up host.Uplink) {
		if _, found := strays[up.Provider]; found || noted(up.Provider) {
			return
		}
		link, _ := on.Link(up.NIC)
		up.Index, up.MTU, up.Userspace = link.Index, link.MTU, userspace
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
			add(host.Uplink{Provider: provider, NIC: portOf(bridge, on), Attachment: host.AttachPort, Bridge: bridge.Name})
		}
	}
	return strays
}

// portOf is the NIC that is a port of a bridge; "" where none is. Patches to other
// bridges are no devices.
func portOf(bridge host.Installed, on host.Snapshot) string {
	for _, port := range bridge.Ports {
		if _, found := on.Link(port); found {
			return port
		}
	}
	return ""
}
