package cniwire

import (
	"net/netip"
	"strings"
)

// DefaultSocket is where the agent listens unless the network configuration
// names another path.
const DefaultSocket = "/run/openvswitch/kube-ovn-daemon.sock"

// DefaultProvider is the provider of a pod's primary network.
const DefaultProvider = "ovn"

// PluginType is the CNI type of our plugin, which is also its file name.
const PluginType = "kube-ovn"

// Verb is what is asked for (CNI specification 1.1, section 2).
type Verb string

// The verbs of CNI 1.1 that reach the agent.
const (
	Add    Verb = "ADD"
	Check  Verb = "CHECK"
	Del    Verb = "DEL"
	Status Verb = "STATUS"
	GC     Verb = "GC"
)

// Path is where the agent serves a verb.
func Path(v Verb) string { return "/cni/v1/" + strings.ToLower(string(v)) }

// Request is one call of the plugin. STATUS needs none of it, GC only Valid.
type Request struct {
	ContainerID string  `json:"containerID,omitempty"`
	NetNS       string  `json:"netns,omitempty"` // path; empty in a DEL after the namespace is gone
	IfName      string  `json:"ifName,omitempty"`
	Pod         Pod     `json:"pod"`
	Provider    string  `json:"provider,omitempty"`
	Routes      []Route `json:"routes,omitempty"` // beyond the default route

	// Previous is, in a CHECK, what ADD had answered.
	Previous *Result `json:"previous,omitempty"`
	// Valid are, in a GC, the attachments that the runtime still knows.
	Valid []Attachment `json:"valid,omitempty"`
}

// Pod is whom the container belongs to. Runtimes other than Kubernetes' leave it
// empty, which ADD refuses.
type Pod struct {
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	UID       string `json:"uid,omitempty"` // empty if the runtime does not tell
}

// String is the form "namespace/name" that people know.
func (p Pod) String() string { return p.Namespace + "/" + p.Name }

// Route is a route asked for in the network configuration.
type Route struct {
	To  netip.Prefix `json:"to"`
	Via netip.Addr   `json:"via"` // the zero address means the subnet's gateway
}

// Attachment is one network interface of one container.
type Attachment struct {
	ContainerID string `json:"containerID"`
	IfName      string `json:"ifName"`
}

// Response answers a request: with an Error, or in the case of ADD with a Result.
type Response struct {
	Result *Result `json:"result,omitempty"`
	Error  *Error  `json:"error,omitempty"`
}

// Result is what a container got.
type Result struct {
	HostLink string  `json:"hostLink,omitempty"` // our end of the cable
	MAC      string  `json:"mac,omitempty"`
	MTU      int     `json:"mtu,omitempty"`
	IPs      []IP    `json:"ips,omitempty"`
	Routes   []Route `json:"routes,omitempty"`
}

// IP is an address with the length of its network, and the way out of it.
type IP struct {
	Address netip.Prefix `json:"address"`
	Gateway netip.Addr   `json:"gateway"` // the zero address if there is none
}

// Code tells a runtime what kind of failure it was (CNI specification, "Error").
type Code uint

// The codes in use. Those from 100 on are a plugin's own.
const (
	CodeInvalidEnvironment Code = 4
	CodeInvalidConfig      Code = 7
	CodeTryAgainLater      Code = 11
	CodeNotAvailable       Code = 50
	CodeCheckFailed        Code = 100
)

// Error is a failure as the runtime shows it: kubelet puts Message and Details
// into the pod's event.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	Details string `json:"details,omitempty"`
}

// Error makes it a Go error.
func (e *Error) Error() string {
	if e.Details == "" {
		return e.Message
	}
	return e.Message + ": " + e.Details
}
