package cni

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"hawser/internal/cniwire"
	"hawser/test/netnstest"
)

// plugin builds the real one into a folder of its own.
func plugin(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(folder, "kube-ovn"), "hawser/cmd/kube-ovn")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return folder
}

// start runs a server as a manager would, and gives its socket and its end.
func start(t *testing.T, cfg Config) (socket string, stop func() error) {
	t.Helper()
	cfg.Socket = filepath.Join(t.TempDir(), "s")
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- New(cfg).Start(ctx) }()
	for range 1000 {
		if conn, err := net.Dial("unix", cfg.Socket); err == nil {
			conn.Close()
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	return cfg.Socket, func() error { cancel(); return <-over }
}

// network is our conflist without portmap, in one version of CNI.
func network(t *testing.T, socket, version string) *libcni.NetworkConfigList {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"name": "kube-ovn", "cniVersion": version,
		"plugins": []any{map[string]any{"type": "kube-ovn", "server_socket": socket}},
	})
	if err != nil {
		t.Fatal(err)
	}
	list, err := libcni.ConfListFromBytes(text)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestThroughThePlugin runs the whole life of a container through libcni, the
// real plugin and the real server, in every version of CNI that we claim.
func TestThroughThePlugin(t *testing.T) {
	r := newRig(t)
	r.ovnController()
	r.pods.put(allocated("web", "uid-1"))
	cfg := r.config()
	cfg.Metrics = prometheus.NewRegistry()
	socket, stop := start(t, cfg)
	runtime := libcni.NewCNIConfigWithCacheDir([]string{plugin(t)}, t.TempDir(), nil)
	for _, version := range []string{"0.3.1", "0.4.0", "1.0.0", "1.1.0"} {
		list := network(t, socket, version)
		container := &libcni.RuntimeConf{
			ContainerID: first, NetNS: netnstest.New(t).Path(), IfName: "eth0",
			Args: [][2]string{{"IgnoreUnknown", "1"}, {"K8S_POD_NAMESPACE", "default"}, {"K8S_POD_NAME", "web"}, {"K8S_POD_UID", "uid-1"}},
		}
		began := time.Now()
		raw, err := runtime.AddNetworkList(t.Context(), list, container)
		if err != nil {
			t.Fatalf("CNI %s: ADD: %v", version, err)
		}
		t.Logf("CNI %s: ADD took %s", version, time.Since(began))
		result, err := current.NewResultFromResult(raw)
		if err != nil {
			t.Fatal(err)
		}
		if text := result.IPs[0].Address.String() + " " + result.IPs[1].Gateway.String() + " " + result.Interfaces[1].Mac; text != "10.16.0.5/16 fd00:10:16::1 0a:00:00:00:00:05" {
			t.Errorf("CNI %s: result: %s", version, text)
		}
		if version != "0.3.1" { // which has no CHECK
			if err := runtime.CheckNetworkList(t.Context(), list, container); err != nil {
				t.Errorf("CNI %s: CHECK: %v", version, err)
			}
		}
		if version == "1.1.0" {
			if err := runtime.GetStatusNetworkList(t.Context(), list); err != nil {
				t.Error("STATUS:", err)
			}
			err := runtime.GCNetworkList(t.Context(), list, &libcni.GCArgs{ValidAttachments: []types.GCAttachment{{ContainerID: first, IfName: "eth0"}}})
			if err != nil {
				t.Error("GC:", err)
			}
			if err := runtime.CheckNetworkList(t.Context(), list, container); err != nil {
				t.Error("CHECK after GC:", err)
			}
		}
		if err := runtime.DelNetworkList(t.Context(), list, container); err != nil {
			t.Errorf("CNI %s: DEL: %v", version, err)
		}
		r.nothingLeft()
	}
	if err := stop(); err != nil {
		t.Error("the server's end:", err)
	}
	err := runtime.GetStatusNetworkList(t.Context(), network(t, socket, "1.1.0"))
	mustContain(t, err, "kube-ovn-cni", socket, "kubectl")
	var told *types.Error
	if !errors.As(err, &told) || told.Code != types.ErrPluginNotAvailable {
		t.Errorf("STATUS without an agent: %#v", err)
	}
	families, err := cfg.Metrics.(*prometheus.Registry).Gather()
	if err != nil || len(families) != 2 {
		t.Errorf("metrics: %v %v", families, err)
	}
}

// TestSetsIPv6UpInThePod: the plugin opens IPv6 and closes it to advertisements.
func TestSetsIPv6UpInThePod(t *testing.T) {
	folder := plugin(t)
	netnstest.Enter(t)
	pod := netnstest.New(t)
	pod.Do(func() error { return os.WriteFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", []byte("1"), 0) })
	_, _ = invoke(folder, "ADD", pod.Path(), `{"cniVersion":"1.0.0","name":"x","type":"kube-ovn","server_socket":"/nonexistent/s"}`)
	pod.IP("link add eth0 type veth peer name other")
	pod.Do(func() error {
		for key, want := range map[string]string{"all/disable_ipv6": "0", "eth0/disable_ipv6": "0", "eth0/accept_ra": "0", "eth0/accept_dad": "0"} {
			got, err := os.ReadFile("/proc/sys/net/ipv6/conf/" + key)
			if err != nil || strings.TrimSpace(string(got)) != want {
				t.Errorf("%s is %s (%v), want %s", key, got, err, want)
			}
		}
		return nil
	})
}

// invoke runs the plugin as a runtime does.
func invoke(folder, verb, netns, config string) (string, error) {
	run := exec.Command(filepath.Join(folder, "kube-ovn"))
	run.Env = []string{
		"CNI_COMMAND=" + verb, "CNI_CONTAINERID=" + first, "CNI_NETNS=" + netns, "CNI_IFNAME=eth0", "CNI_PATH=" + folder,
		"CNI_ARGS=K8S_POD_NAMESPACE=default;K8S_POD_NAME=web",
	}
	run.Stdin = strings.NewReader(config)
	out, err := run.Output()
	return string(out), err
}

// TestPluginAlone prints how long the plugin takes around the agent's work, from
// exec to exit, and checks what it says where the agent cannot answer.
func TestPluginAlone(t *testing.T) {
	folder := plugin(t)
	netnstest.Enter(t)
	pod := netnstest.New(t)
	socket := filepath.Join(t.TempDir(), "s")
	config := `{"cniVersion":"1.0.0","name":"x","type":"kube-ovn","server_socket":"` + socket + `"}`

	out, err := invoke(folder, "ADD", pod.Path(), strings.ReplaceAll(config, socket, "/nonexistent/s"))
	if err == nil || !strings.Contains(out, `"code": 11`) || !strings.Contains(out, "app=kube-ovn-cni") {
		t.Errorf("without an agent: %v %s", err, out)
	}
	out, err = invoke(folder, "ADD", pod.Path(), `{"cniVersion":"1.0.0","name":"x","type":"kube-ovn","provider":"net1.default.ovn"}`)
	if err == nil || !strings.Contains(out, `"code": 7`) {
		t.Errorf("an additional network: %v %s", err, out)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	stub := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(cniwire.Response{Result: answer(first)})
	})}
	go stub.Serve(listener)
	defer stub.Close()
	var took []time.Duration
	for range 50 {
		began := time.Now()
		if out, err := invoke(folder, "ADD", pod.Path(), config); err != nil {
			t.Fatal(err, out)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	t.Logf("exec to exit of the plugin with a stub agent: p50 %s, p99 %s", took[25], took[49])
}

func TestHTTPRefusesNonsense(t *testing.T) {
	r := newRig(t)
	socket, stop := start(t, r.config())
	agent := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	answer, err := agent.Post("http://agent"+cniwire.Path(cniwire.Add), "application/json", strings.NewReader("{"))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var response cniwire.Response
	if err := json.NewDecoder(answer.Body).Decode(&response); err != nil || response.Error == nil {
		t.Errorf("got %+v (%v)", response, err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if !New(Config{}).NeedLeaderElection() {
		return
	}
	t.Error("every node has to run its own")
}

func TestConflist(t *testing.T) {
	list, err := libcni.ConfListFromBytes(Conflist(cniwire.DefaultSocket))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range list.Plugins {
		names = append(names, p.Network.Type)
	}
	if list.Name != "kube-ovn" || list.CNIVersion != "1.1.0" || !slices.Equal(names, []string{"kube-ovn", "portmap"}) || !list.Plugins[1].Network.Capabilities["portMappings"] {
		t.Errorf("%s %s %v", list.Name, list.CNIVersion, names)
	}
}

func TestExplain(t *testing.T) {
	at := func(second int) metav1.Time { return metav1.Unix(int64(second), 0) }
	events := []corev1.Event{
		{ReportingController: "kube-ovn-controller", Message: "old", LastTimestamp: at(1)},
		{ReportingController: "kube-ovn-controller", Message: "subnet net1 is full", EventTime: metav1.NewMicroTime(at(3).Time)},
		{ReportingController: "kube-ovn-controller", Message: "older", Series: &corev1.EventSeries{LastObservedTime: metav1.NewMicroTime(at(2).Time)}},
		{ReportingController: "kube-ovn-controller", Message: "oldest", ObjectMeta: metav1.ObjectMeta{CreationTimestamp: at(0)}},
		{Source: corev1.EventSource{Component: "kubelet"}, Message: "newest, of somebody else", LastTimestamp: at(9)},
	}
	reader := eventList{events: events}
	if got := Explain(&reader, "kube-ovn-controller")(t.Context(), "default", "web"); got != "subnet net1 is full" {
		t.Errorf("got %q", got)
	}
	reader.err = errors.New("no API server")
	if got := Explain(&reader, "kube-ovn-controller")(t.Context(), "default", "web"); got != "" {
		t.Errorf("got %q", got)
	}
}

type eventList struct {
	client.Reader
	events []corev1.Event
	err    error
}

func (l *eventList) List(_ context.Context, into client.ObjectList, _ ...client.ListOption) error {
	into.(*corev1.EventList).Items = l.events
	return l.err
}
