package cniwire

import (
	"encoding/json"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

const pod = "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;K8S_POD_UID=u1;K8S_POD_INFRA_CONTAINER_ID=x"

func invocation(config string) Invocation {
	return Invocation{ContainerID: "c1", NetNS: "/run/netns/x", IfName: "eth0", Args: pod, Config: []byte(config)}
}

func TestParse(t *testing.T) {
	web := Pod{Namespace: "default", Name: "web", UID: "u1"}
	base := Request{ContainerID: "c1", NetNS: "/run/netns/x", IfName: "eth0", Pod: web, Provider: "ovn"}
	with := func(change func(*Request)) Request { r := base; change(&r); return r }
	for name, c := range map[string]struct {
		verb   Verb
		config string
		want   Call
	}{
		"defaults":                  {Add, `{"type":"kube-ovn"}`, Call{DefaultSocket, Add, base}},
		"another socket":            {Del, `{"type":"kube-ovn","server_socket":"/s"}`, Call{"/s", Del, base}},
		"explicit ovn":              {Add, `{"type":"kube-ovn","provider":"ovn","ipam":{"type":"kube-ovn"}}`, Call{DefaultSocket, Add, base}},
		"status":                    {Status, `{"type":"kube-ovn"}`, Call{DefaultSocket, Status, Request{}}},
		"delete an unsupported one": {Del, `{"type":"kube-ovn","provider":"a.b.ovn","deviceID":"0000:01"}`, Call{DefaultSocket, Del, with(func(r *Request) { r.Provider = "a.b.ovn" })}},
		"routes": {Add, `{"type":"kube-ovn","routes":[{"dst":"192.0.2.9/24","gw":"10.0.0.9"},{"dst":"198.51.100.0/24"},{"gw":"10.0.0.8"},{"gw":"fd00::8"}]}`,
			Call{DefaultSocket, Add, with(func(r *Request) {
				r.Routes = []Route{
					{To: netip.MustParsePrefix("192.0.2.0/24"), Via: netip.MustParseAddr("10.0.0.9")},
					{To: netip.MustParsePrefix("198.51.100.0/24")},
					{To: netip.MustParsePrefix("0.0.0.0/0"), Via: netip.MustParseAddr("10.0.0.8")},
					{To: netip.MustParsePrefix("::/0"), Via: netip.MustParseAddr("fd00::8")},
				}
			})}},
		"check": {Check, `{"type":"kube-ovn","prevResult":{"interfaces":[{"name":"c1_h"},{"name":"eth0","mac":"0a:00:00:00:00:01","sandbox":"/run/netns/x"},{"name":"eth0"}],
			"ips":[{"address":"10.0.0.2/16","interface":1},{"address":"fd00::2/64"},{"address":"192.0.2.1/24","interface":0}]}}`,
			Call{DefaultSocket, Check, with(func(r *Request) {
				r.Previous = &Result{MAC: "0a:00:00:00:00:01", IPs: []IP{{Address: netip.MustParsePrefix("10.0.0.2/16")}, {Address: netip.MustParsePrefix("fd00::2/64")}}}
			})}},
		"gc":           {GC, `{"cni.dev/valid-attachments":[{"containerID":"c1","ifname":"eth0"}]}`, Call{DefaultSocket, GC, Request{Valid: []Attachment{{"c1", "eth0"}}}}},
		"gc with none": {GC, `{"cni.dev/valid-attachments":null}`, Call{DefaultSocket, GC, Request{}}},
	} {
		got, err := Parse(c.verb, invocation(c.config))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n got %+v (%v)\nwant %+v", name, got, err, c.want)
		}
	}
}

func TestDelNeedsNoPod(t *testing.T) {
	in := invocation(`{"type":"kube-ovn"}`)
	in.Args, in.NetNS = "", ""
	if call, err := Parse(Del, in); err != nil || call.Request.ContainerID != "c1" {
		t.Errorf("got %+v (%v)", call, err)
	}
}

// TestRefusals: each is one clear line with the code that the runtime expects.
func TestRefusals(t *testing.T) {
	noPod := invocation(`{"type":"kube-ovn"}`)
	noPod.Args = "K8S_POD_NAME=web"
	for name, c := range map[string]struct {
		verb Verb
		in   Invocation
		code Code
		says string
	}{
		"no JSON":                {Add, invocation(`{`), CodeInvalidConfig, "not valid JSON"},
		"wrong type of a key":    {Add, invocation(`{"provider":1}`), CodeInvalidConfig, "not valid JSON"},
		"no pod":                 {Add, noPod, CodeInvalidEnvironment, "K8S_POD_NAMESPACE"},
		"IPAM for macvlan":       {Add, invocation(`{"type":"macvlan","ipam":{"type":"kube-ovn"}}`), CodeInvalidConfig, "macvlan"},
		"SR-IOV":                 {Add, invocation(`{"type":"kube-ovn","deviceID":"0000:01"}`), CodeInvalidConfig, "0000:01"},
		"an additional network":  {Check, invocation(`{"type":"kube-ovn","provider":"net1.default.ovn"}`), CodeInvalidConfig, "net1.default.ovn"},
		"route without anything": {Add, invocation(`{"type":"kube-ovn","routes":[{}]}`), CodeInvalidConfig, "neither dst nor gw"},
		"route, bad gateway":     {Add, invocation(`{"type":"kube-ovn","routes":[{"dst":"10.0.0.0/8","gw":"x"}]}`), CodeInvalidConfig, "10.0.0.0/8"},
		"route, bad destination": {Add, invocation(`{"type":"kube-ovn","routes":[{"dst":"x"}]}`), CodeInvalidConfig, "destination"},
		"check without result":   {Check, invocation(`{"type":"kube-ovn"}`), CodeInvalidConfig, "prevResult"},
		"check, bad result":      {Check, invocation(`{"type":"kube-ovn","prevResult":{"ips":[{"address":"x"}]}}`), CodeInvalidConfig, "prevResult"},
		"gc without list":        {GC, invocation(`{"type":"kube-ovn"}`), CodeInvalidConfig, "valid-attachments"},
		"gc, bad list":           {GC, invocation(`{"cni.dev/valid-attachments":1}`), CodeInvalidConfig, "valid-attachments"},
	} {
		_, err := Parse(c.verb, c.in)
		var told *Error
		if !errors.As(err, &told) || told.Code != c.code || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTheWire keeps what plugin and agent of different versions agree on.
func TestTheWire(t *testing.T) {
	call, err := Parse(Add, invocation(`{"type":"kube-ovn","routes":[{"dst":"192.0.2.0/24"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(call.Request)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"containerID":"c1","netns":"/run/netns/x","ifName":"eth0","pod":{"namespace":"default","name":"web","uid":"u1"},"provider":"ovn","routes":[{"to":"192.0.2.0/24","via":""}]}`
	if string(text) != want {
		t.Errorf("request:\n got %s\nwant %s", text, want)
	}
	var back Request
	if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(back, call.Request) {
		t.Errorf("read back: %+v (%v)", back, err)
	}
	response := Response{
		Result: &Result{HostLink: "c1_h", MAC: "0a:00:00:00:00:01", MTU: 1400, IPs: []IP{{Address: netip.MustParsePrefix("10.0.0.2/16"), Gateway: netip.MustParseAddr("10.0.0.1")}}},
		Error:  &Error{Code: CodeTryAgainLater, Message: "m", Details: "d"},
	}
	text, err = json.Marshal(response)
	if err != nil {
		t.Fatal(err)
	}
	want = `{"result":{"hostLink":"c1_h","mac":"0a:00:00:00:00:01","mtu":1400,"ips":[{"address":"10.0.0.2/16","gateway":"10.0.0.1"}]},"error":{"code":11,"message":"m","details":"d"}}`
	if string(text) != want {
		t.Errorf("response:\n got %s\nwant %s", text, want)
	}
	if Path(GC) != "/cni/v1/gc" {
		t.Error(Path(GC))
	}
}

func TestWords(t *testing.T) {
	if got := (Pod{Namespace: "a", Name: "b"}).String(); got != "a/b" {
		t.Error(got)
	}
	if got := (&Error{Message: "m"}).Error() + (&Error{Message: "m", Details: "d"}).Error(); got != "mm: d" {
		t.Error(got)
	}
}
