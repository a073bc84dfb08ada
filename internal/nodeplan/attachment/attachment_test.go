package attachment

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/cniwire"
	"hawser/internal/host"
)

func pod(changes ...string) *corev1.Pod {
	p := &corev1.Pod{}
	p.Annotations = map[string]string{
		kubeovnv1.AnnotationAllocated: "true", kubeovnv1.AnnotationRouted: "true",
		kubeovnv1.AnnotationIPAddress: "10.16.0.5,fd00:10:16::5", kubeovnv1.AnnotationMACAddress: "0a:00:00:00:00:05",
		kubeovnv1.AnnotationCIDR: "10.16.0.0/16,fd00:10:16::/112", kubeovnv1.AnnotationGateway: "10.16.0.1,fd00:10:16::1",
	}
	for i := 0; i < len(changes); i += 2 {
		p.Annotations[changes[i]] = changes[i+1]
	}
	return p
}

func call(routes ...cniwire.Route) cniwire.Request {
	return cniwire.Request{
		ContainerID: "0123456789abcdef", NetNS: "/run/netns/x", IfName: "eth0", Routes: routes,
		Pod: cniwire.Pod{Namespace: "default", Name: "web"},
	}
}

func prefix(text string) netip.Prefix { return netip.MustParsePrefix(text) }
func addr(text string) netip.Addr     { return netip.MustParseAddr(text) }

func TestPlan(t *testing.T) {
	got, err := Plan(pod(), call(cniwire.Route{To: prefix("192.0.2.0/24")}, cniwire.Route{To: prefix("fd01::/64"), Via: addr("fd00:10:16::9")}), 1400)
	if err != nil {
		t.Fatal(err)
	}
	want := Attachment{
		Owner: "Pod/default/web",
		Link: host.PodLink{
			Host: "0123456789ab_h", NetNS: "/run/netns/x", Name: "eth0", Owner: "Pod/default/web",
			MAC: host.MAC{0x0a, 0, 0, 0, 0, 5}, MTU: 1400,
			Addresses: []netip.Prefix{prefix("10.16.0.5/16"), prefix("fd00:10:16::5/112")},
			Routes: []host.Route{
				{Prefix: prefix("0.0.0.0/0"), Gateway: addr("10.16.0.1")}, {Prefix: prefix("::/0"), Gateway: addr("fd00:10:16::1")},
				{Prefix: prefix("192.0.2.0/24"), Gateway: addr("10.16.0.1")}, {Prefix: prefix("fd01::/64"), Gateway: addr("fd00:10:16::9")},
			},
		},
		Switching: host.Switching{Ports: []host.BridgePort{{Bridge: "br-int", Name: "0123456789ab_h", ExternalIDs: map[string]string{
			"iface-id": "web.default", "pod_name": "web", "pod_namespace": "default", "pod_netns": "/run/netns/x", "ip": "10.16.0.5,fd00:10:16::5",
		}}}},
		Gateways: []netip.Addr{addr("10.16.0.1"), addr("fd00:10:16::1")},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
	result := got.Result()
	if len(result.IPs) != 2 || result.IPs[1] != (cniwire.IP{Address: prefix("fd00:10:16::5/112"), Gateway: addr("fd00:10:16::1")}) ||
		len(result.Routes) != 4 || result.MAC != "0a:00:00:00:00:05" || result.MTU != 1400 || result.HostLink != "0123456789ab_h" {
		t.Errorf("result: %+v", result)
	}
}

func TestPlanOfOneFamily(t *testing.T) {
	for name, c := range map[string]struct {
		pod       *corev1.Pod
		addresses string
		routes    int
	}{
		"IPv4 in a dual-stack subnet": {pod(kubeovnv1.AnnotationIPAddress, "10.16.0.5"), "10.16.0.5/16", 1},
		"IPv6":                        {pod(kubeovnv1.AnnotationIPAddress, "fd00:10:16::5", kubeovnv1.AnnotationCIDR, "fd00:10:16::/112", kubeovnv1.AnnotationGateway, "fd00:10:16::1"), "fd00:10:16::5/112", 1},
		"without a gateway":           {pod(kubeovnv1.AnnotationIPAddress, "10.16.0.5", kubeovnv1.AnnotationGateway, ""), "10.16.0.5/16", 0},
		"outside its network":         {pod(kubeovnv1.AnnotationIPAddress, "10.17.0.5"), "10.17.0.5/32", 1},
	} {
		got, err := Plan(c.pod, call(), 1400)
		if err != nil || len(got.Link.Addresses) != 1 || got.Link.Addresses[0].String() != c.addresses || len(got.Link.Routes) != c.routes {
			t.Errorf("%s: %+v (%v)", name, got.Link, err)
		}
	}
}

func TestPlanOfAskedRoutes(t *testing.T) {
	const asks = `[{"dst":"192.0.2.0/24","gw":"10.16.0.9"},{"dst":"198.51.100.7/32"},{"gw":"fd00:10:16::9"}]`
	got, err := Plan(pod(kubeovnv1.AnnotationRoutes, asks), call(cniwire.Route{To: prefix("192.0.2.0/24")}), 1400)
	want := []host.Route{
		{Prefix: prefix("0.0.0.0/0"), Gateway: addr("10.16.0.1")},
		{Prefix: prefix("192.0.2.0/24"), Gateway: addr("10.16.0.9")},
		{Prefix: prefix("198.51.100.7/32"), Gateway: addr("10.16.0.1")},
		{Prefix: prefix("::/0"), Gateway: addr("fd00:10:16::9")},
	}
	if err != nil || !reflect.DeepEqual(got.Link.Routes, want) {
		t.Errorf("got %+v (%v)", got.Link.Routes, err)
	}
}

func TestPlanRefusesAskedRoutes(t *testing.T) {
	for asks, says := range map[string]string{
		`{}`:                                   "not a JSON list such as",
		`[{}]`:                                 "neither dst nor gw is set",
		`[{"dst":"192.0.2.1"}]`:                "no valid destination",
		`[{"dst":"192.0.2.0/24","gw":"x"}]`:    "no valid gateway",
		`[{"dst":"fd01::/64"}]`:                "no address of the family of route fd01::/64",
		`[{"dst":"0.0.0.0/0","gw":"fd00::1"}]`: "of another family",
		`[{"gw":"10.17.0.1"}]`:                 "gateway 10.17.0.1 of route 0.0.0.0/0 is not in the pod's subnet",
	} {
		_, err := Plan(pod(kubeovnv1.AnnotationRoutes, asks, kubeovnv1.AnnotationIPAddress, "10.16.0.5"), call(), 1400)
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), kubeovnv1.AnnotationRoutes+" of pod default/web") {
			t.Errorf("%s: %v", asks, err)
		}
	}
}

func TestPlanTooEarly(t *testing.T) {
	for _, missing := range []string{kubeovnv1.AnnotationAllocated, kubeovnv1.AnnotationRouted} {
		if _, err := Plan(pod(missing, ""), call(), 1400); !errors.Is(err, ErrNoAddress) {
			t.Errorf("without %s: %v", missing, err)
		}
	}
}

func TestPlanRefusesNonsense(t *testing.T) {
	for key, value := range map[string]string{
		kubeovnv1.AnnotationIPAddress: "10.16.0.300", kubeovnv1.AnnotationMACAddress: "zz",
		kubeovnv1.AnnotationCIDR: "10.16.0.0/33", kubeovnv1.AnnotationGateway: "gw",
	} {
		_, err := Plan(pod(key, value), call(), 1400)
		if err == nil || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), "default/web") {
			t.Errorf("%s: %v", key, err)
		}
	}
	if _, err := Plan(pod(kubeovnv1.AnnotationIPAddress, " "), call(), 1400); err == nil || !strings.Contains(err.Error(), "no address in it") {
		t.Errorf("no address: %v", err)
	}
}

func TestNames(t *testing.T) {
	if !IsHostLink(HostLink("0123456789abcdef")) || HostLink("ab") != "ab_h" || IsHostLink("eth0") || len(HostLink("0123456789abcdef")) > 15 {
		t.Error("host links")
	}
	if !IsOwner(Owner("a", "b")) || IsOwner("Node") {
		t.Error("owners")
	}
}

func TestExpected(t *testing.T) {
	in := call()
	if _, err := Expected(in); err == nil {
		t.Error("without a previous result")
	}
	in.Previous = &cniwire.Result{MAC: "x"}
	if _, err := Expected(in); err == nil {
		t.Error("with a bad MAC")
	}
	in.Previous = &cniwire.Result{MAC: "0a:00:00:00:00:05", IPs: []cniwire.IP{{Address: prefix("10.16.0.5/16")}}}
	link, err := Expected(in)
	if err != nil || link.MAC.String() != "0a:00:00:00:00:05" || len(link.Addresses) != 1 || link.Host != "0123456789ab_h" {
		t.Errorf("%+v (%v)", link, err)
	}
}
