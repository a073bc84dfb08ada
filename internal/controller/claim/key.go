package claim

import (
	"net/netip"
	"strings"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
	"hawser/internal/ipam"
)

// key is what only one object may hold: an address, or a MAC, of a subnet.
type key struct {
	subnet  string
	address netip.Addr
	mac     host.MAC
}

func keysOf(ip *kubeovnv1.IP) []key {
	lease := LeaseOf(ip)
	keys := make([]key, 0, len(lease.Addresses)+1)
	for _, addr := range lease.Addresses {
		keys = append(keys, key{subnet: ip.Spec.Subnet, address: addr})
	}
	if !lease.MAC.IsZero() {
		keys = append(keys, key{subnet: ip.Spec.Subnet, mac: lease.MAC})
	}
	return keys
}

// LeaseOf reads the addresses and the MAC of an object. What cannot be read is
// left out: the schema refuses it.
func LeaseOf(ip *kubeovnv1.IP) ipam.Lease {
	var lease ipam.Lease
	texts := []string{ip.Spec.V4IPAddress, ip.Spec.V6IPAddress}
	if texts[0] == "" && texts[1] == "" {
		texts = strings.Split(ip.Spec.IPAddress, ",")
	}
	for _, text := range texts {
		if addr, err := netip.ParseAddr(strings.TrimSpace(text)); err == nil {
			lease.Addresses = append(lease.Addresses, addr.Unmap())
		}
	}
	if mac, err := host.ParseMAC(ip.Spec.MacAddress); err == nil {
		lease.MAC = mac
	}
	return lease
}

// SetLease writes the addresses and the MAC into an object.
func SetLease(ip *kubeovnv1.IP, lease ipam.Lease) {
	var texts []string
	ip.Spec.V4IPAddress, ip.Spec.V6IPAddress = "", ""
	for _, addr := range lease.Addresses {
		texts = append(texts, addr.String())
		if addr.Is4() {
			ip.Spec.V4IPAddress = addr.String()
			continue
		}
		ip.Spec.V6IPAddress = addr.String()
	}
	ip.Spec.IPAddress = strings.Join(texts, ",")
	ip.Spec.MacAddress = lease.MAC.String()
}

// SubnetGroup is the group of all objects of a subnet.
func SubnetGroup(subnet string) string { return "subnet/" + subnet }

// StatefulSetGroup is the group of the objects that the pods of a StatefulSet
// keep.
func StatefulSetGroup(namespace, name string) string {
	return "statefulset/" + namespace + "/" + name
}

func groupsOf(ip *kubeovnv1.IP) []string {
	groups := []string{SubnetGroup(ip.Spec.Subnet)}
	if ip.Spec.PodType != kubeovnv1.PodTypeStatefulSet {
		return groups
	}
	if i := strings.LastIndexByte(ip.Spec.PodName, '-'); i > 0 {
		groups = append(groups, StatefulSetGroup(ip.Spec.Namespace, ip.Spec.PodName[:i]))
	}
	return groups
}
