package takeover

import (
	"fmt"
	"slices"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
	"hawser/internal/plan"
)

// Methods of a profile in NetworkManager (nm-settings-nmcli(5)) that give a NIC
// nothing but what the profile names. With IPv6's "auto", addresses may come from a
// router: those that have come are refused for themselves.
var (
	methods4 = []string{"manual", "disabled"}
	methods6 = []string{"manual", "disabled", "ignore", "link-local", "auto"}
)

// managed tells whether NetworkManager is to be told. What stands says so itself:
// NetworkManager may come and go, and what was approved stays approved.
func (in Input) managed() bool {
	for _, up := range in.Stands.Uplinks() {
		if up.Attachment == host.AttachTakeover && up.NIC == in.nic() {
			return up.Managed
		}
	}
	return slices.Contains(in.Managed, in.nic())
}

// checkManaged refuses a NIC whose profile in NetworkManager could not be left without
// addresses, or would take more along than those.
func checkManaged(in Input) *plan.Problem {
	if !in.managed() || len(in.Stands.Steps) > 0 {
		return nil
	}
	profile, reason := in.Profile, kubeovnv1.ReasonUnsupported
	message := ""
	switch {
	case in.Node.Spec.ExchangeLinkName:
		message = "whose profiles, and a team's daemon, go by the name of the device: leave exchangeLinkName out, or use attachment Shared"
	case profile.Name == "" || profile.Found:
		message = "without a profile of its own, so that nobody knows what it makes of a NIC whose addresses are gone: give it a profile with the addresses (nmcli connection add), have NetworkManager leave it alone (unmanaged-devices in NetworkManager.conf(5)), or use attachment Shared"
	case !slices.Contains(methods4, profile.IPv4):
		reason, message = kubeovnv1.ReasonDynamicAddress, in.method("ipv4", profile.IPv4)
	case !slices.Contains(methods6, profile.IPv6):
		reason, message = kubeovnv1.ReasonDynamicAddress, in.method("ipv6", profile.IPv6)
	case profile.Resolves:
		message = fmt.Sprintf("whose profile %s has name servers or search domains, which would go from /etc/resolv.conf with the addresses: have them in [global-dns-domain-*] of NetworkManager.conf(5), where they belong to no NIC, or use attachment Shared", profile.Name)
	case !profile.Spares:
		message = "of a version before 1.42, which would take from the NIC what is not its own" + share
	}
	if message == "" {
		return nil
	}
	return in.problem(reason, in.nic()+" is managed by NetworkManager, "+message)
}

func (in Input) method(family, method string) string {
	return fmt.Sprintf("and %s.method of its profile %s is %s, which knows the NIC and not the bridge%s, or give it static addresses", family, in.Profile.Name, method, share)
}
