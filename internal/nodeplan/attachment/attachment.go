// Package attachment plans how one container is attached to the network: from
// the annotations that the controller wrote to its pod and from the call of the
// container runtime it makes the words for kernel and virtual switch. It is
// pure, so that ADD, CHECK, DEL and the sweep after a restart all speak of the
// same names.
package attachment

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/cniwire"
	"hawser/internal/host"
	"hawser/internal/logical"
)

// ErrNoAddress is returned for a pod to which the controller has not yet given
// an address.
var ErrNoAddress = errors.New("pod has no address yet")

// OwnerPrefix begins the owner of everything that belongs to a pod.
const OwnerPrefix = "Pod/"

// hostSuffix ends the name of every host end, as Kube-OVN names them too.
const hostSuffix = "_h"

// Owner is by whom a pod's rows and links are known.
func Owner(namespace, name string) string {
	return logical.Owner{Kind: "Pod", Namespace: namespace, Name: name}.String()
}

// HostLink names the host end of a container's cable: twelve characters of the
// container's ID, so that it fits the kernel's fifteen.
func HostLink(containerID string) string {
	return containerID[:min(len(containerID), 12)] + hostSuffix
}

// IsHostLink tells whether a link may be such an end by its name.
func IsHostLink(name string) bool { return strings.HasSuffix(name, hostSuffix) }

// Attachment is all that is wanted for one container.
type Attachment struct {
	Owner     string
	Link      host.PodLink
	Switching host.Switching
	Gateways  []netip.Addr // one for each address; the zero address where there is none
	Subnet    string
	// OnWire tells that the pod is on a physical network, where others choose
	// addresses too.
	OnWire bool
}

// Plan gives the attachment of a container of a pod. It returns ErrNoAddress as
// long as the pod is not ready to be attached.
func Plan(pod *corev1.Pod, call cniwire.Request, mtu int) (Attachment, error) {
	notes := pod.Annotations
	if notes[kubeovnv1.AnnotationAllocated] != "true" || notes[kubeovnv1.AnnotationRouted] != "true" {
		return Attachment{}, ErrNoAddress
	}
	addresses, gateways, err := addressesOf(notes)
	if err != nil {
		return Attachment{}, fmt.Errorf("reading the annotations of pod %s: %w", call.Pod, err)
	}
	mac, err := host.ParseMAC(notes[kubeovnv1.AnnotationMACAddress])
	if err != nil {
		return Attachment{}, fmt.Errorf("reading annotation %s of pod %s: %w", kubeovnv1.AnnotationMACAddress, call.Pod, err)
	}
	asked, err := asked(notes, addresses)
	if err != nil {
		return Attachment{}, fmt.Errorf("reading annotation %s of pod %s: %w", kubeovnv1.AnnotationRoutes, call.Pod, err)
	}
	services, err := servicesBy(notes, addresses)
	if err != nil {
		return Attachment{}, fmt.Errorf("reading the annotations of pod %s: %w", call.Pod, err)
	}
	a := Attachment{
		Owner: Owner(call.Pod.Namespace, call.Pod.Name), Gateways: gateways,
		Subnet: notes[kubeovnv1.AnnotationLogicalSwitch], OnWire: isOnWire(notes),
	}
	a.Link = host.PodLink{
		Host: HostLink(call.ContainerID), NetNS: call.NetNS, Name: call.IfName, Owner: a.Owner,
		MAC: mac, MTU: mtu, Addresses: addresses, Routes: append(services, routes(addresses, gateways, slices.Concat(call.Routes, asked))...),
	}
	a.Switching.Ports = []host.BridgePort{port(call, notes[kubeovnv1.AnnotationIPAddress])}
	return a, nil
}

// port is the container's port on the integration bridge. The external_ids are
// those that Kube-OVN writes; OVN itself reads iface-id only.
func port(call cniwire.Request, ip string) host.BridgePort {
	return host.BridgePort{
		Bridge: host.IntegrationBridge,
		Name:   HostLink(call.ContainerID),
		ExternalIDs: map[string]string{
			"iface-id":      LogicalPort(call.Pod.Namespace, call.Pod.Name),
			"pod_name":      call.Pod.Name,
			"pod_namespace": call.Pod.Namespace,
			"pod_netns":     call.NetNS,
			"ip":            ip,
		},
	}
}

// LogicalPort names the logical switch port of a pod.
func LogicalPort(namespace, name string) string { return name + "." + namespace }

// addressesOf joins the addresses with the lengths of their networks and with
// their gateways. The annotations list one of each per family.
func addressesOf(notes map[string]string) ([]netip.Prefix, []netip.Addr, error) {
	networks, err := each(notes[kubeovnv1.AnnotationCIDR], netip.ParsePrefix)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", kubeovnv1.AnnotationCIDR, err)
	}
	outs, err := each(notes[kubeovnv1.AnnotationGateway], netip.ParseAddr)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", kubeovnv1.AnnotationGateway, err)
	}
	ips, err := each(notes[kubeovnv1.AnnotationIPAddress], netip.ParseAddr)
	if err == nil && len(ips) == 0 && len(networks) == 0 && isOnWire(notes) {
		return nil, nil, nil // the pod asks the physical network for an address
	}
	if err != nil || len(ips) == 0 {
		return nil, nil, fmt.Errorf("%s %q: %w", kubeovnv1.AnnotationIPAddress, notes[kubeovnv1.AnnotationIPAddress], errors.Join(err, errNone(ips)))
	}
	var addresses []netip.Prefix
	var gateways []netip.Addr
	for _, ip := range ips {
		bits := ip.BitLen()
		for _, network := range networks {
			if network.Contains(ip) {
				bits = network.Bits()
			}
		}
		addresses = append(addresses, netip.PrefixFrom(ip, bits))
		gateways = append(gateways, sameFamily(ip, outs))
	}
	return addresses, gateways, nil
}

func errNone(ips []netip.Addr) error {
	if len(ips) == 0 {
		return errors.New("no address in it")
	}
	return nil
}

// each parses the contract's comma-separated lists.
func each[T any](list string, parse func(string) (T, error)) ([]T, error) {
	var out []T
	for item := range strings.SplitSeq(list, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		value, err := parse(item)
		if err != nil {
			return nil, err
		}
		out = append(out, value)
	}
	return out, nil
}

func sameFamily(ip netip.Addr, among []netip.Addr) netip.Addr {
	for _, candidate := range among {
		if candidate.Is4() == ip.Is4() {
			return candidate
		}
	}
	return netip.Addr{}
}

func isOnWire(notes map[string]string) bool {
	return notes[kubeovnv1.AnnotationProviderNetwork] != ""
}

// Known are the gateways that there are.
func (a Attachment) Known() []netip.Addr {
	return slices.DeleteFunc(slices.Clone(a.Gateways), func(gateway netip.Addr) bool { return !gateway.IsValid() })
}

// Result is the answer to the runtime. Runtimes take a pod without an address
// for a failure (containerd does), so that one which has only a MAC from us is
// told by the address that the kernel gives it.
func (a Attachment) Result() *cniwire.Result {
	result := &cniwire.Result{HostLink: a.Link.Host, MAC: a.Link.MAC.String(), MTU: a.Link.MTU}
	if len(a.Link.Addresses) == 0 {
		result.IPs = []cniwire.IP{{Address: netip.PrefixFrom(a.Link.MAC.LinkLocal(), 64)}}
	}
	for i, address := range a.Link.Addresses {
		result.IPs = append(result.IPs, cniwire.IP{Address: address, Gateway: a.Gateways[i]})
	}
	for _, route := range a.Link.Routes {
		result.Routes = append(result.Routes, cniwire.Route{To: route.Prefix, Via: route.Gateway})
	}
	return result
}

// IsOwner tells whether an owner is a pod.
func IsOwner(owner string) bool { return strings.HasPrefix(owner, OwnerPrefix) }

// Expected reads from a CHECK what the kernel should hold: what ADD answered.
func Expected(call cniwire.Request) (host.PodLink, error) {
	link := host.PodLink{Host: HostLink(call.ContainerID), NetNS: call.NetNS, Name: call.IfName, Owner: Owner(call.Pod.Namespace, call.Pod.Name)}
	if call.Previous == nil {
		return link, errors.New("the call does not say what ADD had answered")
	}
	mac, err := host.ParseMAC(call.Previous.MAC)
	if err != nil {
		return link, fmt.Errorf("reading what ADD had answered: %w", err)
	}
	link.MAC = mac
	for _, ip := range call.Previous.IPs {
		if !ip.Address.Addr().IsLinkLocalUnicast() { // the kernel's own
			link.Addresses = append(link.Addresses, ip.Address)
		}
	}
	return link, nil
}
