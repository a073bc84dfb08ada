package cniwire

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
)

// Invocation is how a runtime calls a plugin: the environment variables
// CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME and CNI_ARGS, and standard input.
type Invocation struct {
	ContainerID string
	NetNS       string
	IfName      string
	Args        string
	Config      []byte
}

// Call is a request and the socket that it goes to.
type Call struct {
	Socket  string
	Verb    Verb
	Request Request
}

// config is the network configuration with the keys that Kube-OVN's plugin
// knows, so that existing network attachments work.
type config struct {
	Type         string          `json:"type"`
	ServerSocket string          `json:"server_socket"`
	Provider     string          `json:"provider"`
	Routes       []configRoute   `json:"routes"`
	IPAM         *configIPAM     `json:"ipam"`
	DeviceID     string          `json:"deviceID"`
	PrevResult   json.RawMessage `json:"prevResult"`
	Valid        json.RawMessage `json:"cni.dev/valid-attachments"`
}

type configRoute struct {
	Dst string `json:"dst"`
	GW  string `json:"gw"`
}

type configIPAM struct {
	Type string `json:"type"`
}

// Parse reads an invocation. Its errors are *Error, ready for the runtime.
func Parse(verb Verb, in Invocation) (Call, error) {
	var conf config
	if err := json.Unmarshal(in.Config, &conf); err != nil {
		return Call{}, invalid("the network configuration on standard input is not valid JSON", err.Error())
	}
	if err := conf.supported(verb); err != nil {
		return Call{}, err
	}
	call := Call{Socket: orDefault(conf.ServerSocket, DefaultSocket), Verb: verb}
	switch verb {
	case Status:
		return call, nil
	case GC:
		var err error
		call.Request.Valid, err = conf.valid()
		return call, err
	}
	request, err := conf.request(verb, in)
	call.Request = request
	return call, err
}

// supported says what is not built yet, rather than doing something else. What
// was never added may always be deleted.
func (c config) supported(verb Verb) error {
	if verb != Add && verb != Check {
		return nil
	}
	if c.Type != "" && c.Type != PluginType && c.IPAM != nil && c.IPAM.Type == PluginType {
		return invalid("kube-ovn is not yet an IPAM plugin for other CNI plugins", fmt.Sprintf("type is %q and ipam.type is %q; use type kube-ovn, or another ipam.type", c.Type, c.IPAM.Type))
	}
	if c.DeviceID != "" {
		return invalid("SR-IOV devices are not yet supported", fmt.Sprintf("remove deviceID %q from the network configuration", c.DeviceID))
	}
	if provider := orDefault(c.Provider, DefaultProvider); provider != DefaultProvider {
		return invalid("additional networks are not yet supported", fmt.Sprintf("provider is %q; only %q, the primary network, can be attached", provider, DefaultProvider))
	}
	return nil
}

// valid reads the attachments that a GC must keep. A missing list is refused:
// taken for an empty one, it would mean "remove all".
func (c config) valid() (list []Attachment, err error) {
	if len(c.Valid) == 0 {
		return nil, invalid("GC needs cni.dev/valid-attachments in the network configuration", "")
	}
	if err := json.Unmarshal(c.Valid, &list); err != nil {
		return nil, invalid("cni.dev/valid-attachments is not a list of attachments", err.Error())
	}
	return list, nil
}

func (c config) request(verb Verb, in Invocation) (Request, error) {
	pod := podOf(in.Args)
	if verb != Del && (pod.Namespace == "" || pod.Name == "") {
		return Request{}, &Error{CodeInvalidEnvironment, "CNI_ARGS does not name a pod", fmt.Sprintf("K8S_POD_NAMESPACE and K8S_POD_NAME are needed, got %q; only Kubernetes pods can be attached", in.Args)}
	}
	routes, err := routesOf(c.Routes)
	if err != nil {
		return Request{}, err
	}
	request := Request{
		ContainerID: in.ContainerID, NetNS: in.NetNS, IfName: in.IfName,
		Pod: pod, Provider: orDefault(c.Provider, DefaultProvider), Routes: routes,
	}
	if verb == Check {
		request.Previous, err = previousOf(c.PrevResult, in.IfName)
	}
	return request, err
}

// podOf reads CNI_ARGS, "KEY=value;KEY=value".
func podOf(args string) Pod {
	var pod Pod
	for pair := range strings.SplitSeq(args, ";") {
		switch key, value, _ := strings.Cut(pair, "="); key {
		case "K8S_POD_NAMESPACE":
			pod.Namespace = value
		case "K8S_POD_NAME":
			pod.Name = value
		case "K8S_POD_UID":
			pod.UID = value
		}
	}
	return pod
}

// ParseRoutes reads the list of routes of a pod's annotation, which is written
// as in the network configuration.
func ParseRoutes(list string) ([]Route, error) {
	var routes []configRoute
	if err := json.Unmarshal([]byte(list), &routes); err != nil {
		return nil, fmt.Errorf(`not a JSON list such as [{"dst":"192.0.2.0/24","gw":"10.16.0.9"}]: %w`, err)
	}
	return routesOf(routes)
}

// routesOf reads routes of the configuration; without dst it is a default route
// of the gateway's family.
func routesOf(configured []configRoute) ([]Route, error) {
	var routes []Route
	for _, r := range configured {
		var route Route
		var err error
		if r.GW != "" {
			if route.Via, err = netip.ParseAddr(r.GW); err != nil {
				return nil, invalid(fmt.Sprintf("route to %q has no valid gateway", r.Dst), err.Error())
			}
		}
		if route.To, err = destination(r.Dst, route.Via); err != nil {
			return nil, invalid("route has no valid destination", err.Error())
		}
		routes = append(routes, route)
	}
	return routes, nil
}

func destination(dst string, via netip.Addr) (netip.Prefix, error) {
	switch {
	case dst != "":
		prefix, err := netip.ParsePrefix(dst)
		return prefix.Masked(), err
	case via.Is4():
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0), nil
	case via.Is6():
		return netip.PrefixFrom(netip.IPv6Unspecified(), 0), nil
	}
	return netip.Prefix{}, fmt.Errorf("neither dst nor gw is set")
}

// previous is a CNI result of version 0.3.1 to 1.1.0, as far as we read it.
type previous struct {
	Interfaces []struct {
		Name    string `json:"name"`
		MAC     string `json:"mac"`
		Sandbox string `json:"sandbox"`
	} `json:"interfaces"`
	IPs []struct {
		Address   netip.Prefix `json:"address"`
		Interface *int         `json:"interface"`
	} `json:"ips"`
}

// previousOf picks what concerns our interface in the container out of the
// result of a whole chain of plugins.
func previousOf(raw json.RawMessage, ifName string) (*Result, error) {
	if len(raw) == 0 {
		return nil, invalid("CHECK needs prevResult in the network configuration", "")
	}
	var prev previous
	if err := json.Unmarshal(raw, &prev); err != nil {
		return nil, invalid("prevResult is not a CNI result", err.Error())
	}
	result, index := &Result{}, -1
	for i, iface := range prev.Interfaces {
		if iface.Name == ifName && iface.Sandbox != "" {
			result.MAC, index = iface.MAC, i
		}
	}
	for _, ip := range prev.IPs {
		if ip.Interface == nil || *ip.Interface == index {
			result.IPs = append(result.IPs, IP{Address: ip.Address})
		}
	}
	return result, nil
}

func invalid(message, details string) *Error {
	return &Error{Code: CodeInvalidConfig, Message: message, Details: details}
}

func orDefault(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}
