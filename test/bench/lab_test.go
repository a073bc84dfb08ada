package bench

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"hawser/test/apitest"
	"hawser/test/ovntest"
)

// lab is a control plane without nodes: API server, OVN's databases, northd
// and, once started, our controller.
type lab struct {
	b          *testing.B
	dir        string
	api        *apitest.Server
	ovn        *ovntest.Network
	client     kubernetes.Interface
	dynamic    dynamic.Interface
	controller *exec.Cmd
	binary     string
}

// newLab starts everything but the controller.
func newLab(b *testing.B) *lab {
	b.Helper()
	l := &lab{b: b, dir: b.TempDir()}
	if l.binary = os.Getenv("HAWSER_BENCH_CONTROLLER"); l.binary == "" {
		l.binary = filepath.Join(l.dir, "kube-ovn-controller")
		if out, err := exec.Command("go", "build", "-o", l.binary, "hawser/cmd/kube-ovn-controller").CombinedOutput(); err != nil {
			b.Fatalf("build the controller: %v\n%s", err, out)
		}
	}
	var err error
	if l.api, err = apitest.Start(b.Context(), apitest.Find(b), l.dir); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(l.api.Stop)
	l.ovn = ovntest.Start(b)
	l.client = kubernetes.NewForConfigOrDie(l.api.Config)
	l.dynamic = dynamic.NewForConfigOrDie(l.api.Config)
	l.installCRDs()
	b.Cleanup(l.stopController)
	return l
}

func (l *lab) installCRDs() {
	files, _ := filepath.Glob("../../charts/kube-ovn/templates/crds/*.yaml")
	crds := schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	for _, file := range files {
		text, err := os.ReadFile(file)
		l.must(err)
		crd := &unstructured.Unstructured{}
		l.must(yaml.Unmarshal(text, &crd.Object))
		_, err = l.dynamic.Resource(crds).Create(l.b.Context(), crd, metav1.CreateOptions{})
		l.must(err)
	}
	l.await("CRDs are served", time.Minute, func() bool {
		_, err := l.dynamic.Resource(ipResource).List(l.b.Context(), metav1.ListOptions{})
		return err == nil
	})
}

func (l *lab) must(err error) {
	l.b.Helper()
	if err != nil {
		l.b.Fatal(err)
	}
}

// await polls; only the load generator does such a thing.
func (l *lab) await(what string, limit time.Duration, done func() bool) time.Duration {
	l.b.Helper()
	start := time.Now()
	for !done() {
		if time.Since(start) > limit {
			l.b.Fatalf("%s: not within %v", what, limit)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return time.Since(start)
}

const controllerPort = 20660

// startController runs the product's binary with the flags of a small cluster.
func (l *lab) startController() {
	log, err := os.OpenFile(filepath.Join(l.dir, "controller.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	l.must(err)
	defer log.Close()
	l.controller = exec.Command(l.binary, "--kubeconfig", l.api.Kubeconfig, "--ovn-nb-addr", l.ovn.NB.Endpoint, "--ovn-sb-addr", l.ovn.SB.Endpoint,
		"--default-cidr", "10.16.0.0/16", "--node-switch-cidr", "100.64.0.0/16", "--service-cluster-ip-range", "10.96.0.0/16", "--pprof-port", fmt.Sprint(controllerPort), "--enable-pprof")
	l.controller.Env = append(os.Environ(), "POD_NAMESPACE=kube-system", "POD_NAME=bench", "POD_IP=127.0.0.1", "POD_IPS=127.0.0.1", "GOGC=200") // as the chart
	l.controller.Stdout, l.controller.Stderr = log, log
	l.controller.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	l.must(l.controller.Start())
	if os.Getenv("HAWSER_BENCH_KEEP") != "" {
		l.b.Logf("controller log: %s", log.Name())
	}
}

// stopController kills it, as a crash would.
func (l *lab) stopController() {
	if l.controller == nil {
		return
	}
	_ = l.controller.Process.Kill()
	_ = l.controller.Wait()
	l.controller = nil
	if l.b.Failed() {
		text, _ := os.ReadFile(filepath.Join(l.dir, "controller.log"))
		lines := strings.Split(string(text), "\n")
		l.b.Logf("the controller's last words:\n%s", strings.Join(lines[max(0, len(lines)-20):], "\n"))
	}
}

// serving waits until the controller says that it is ready.
func (l *lab) serving() time.Duration {
	return l.await("controller is ready", 3*time.Minute, func() bool {
		response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/readyz", controllerPort))
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

// pids names the processes whose CPU time counts.
func (l *lab) pids() map[string]int {
	pids := map[string]int{
		"northd": l.ovn.NorthdProcess(), "nb": l.ovn.NB.Process(), "sb": l.ovn.SB.Process(),
		"apiserver": l.api.PID, "etcd": l.api.EtcdPID, "load": os.Getpid(),
	}
	if l.controller != nil {
		pids["controller"] = l.controller.Process.Pid
	}
	return pids
}

// calm waits until the controller has used less than 20 ms of CPU in a second,
// and northd likewise, and returns how long that took, the calm second apart.
func (l *lab) calm() time.Duration {
	start := time.Now()
	for {
		before := measure(l.pids())
		time.Sleep(time.Second)
		spent := measure(l.pids()).since(before)
		if spent["controller"] < 20*time.Millisecond && spent["northd"] < 20*time.Millisecond {
			return time.Since(start) - time.Second
		}
		if time.Since(start) > 5*time.Minute {
			l.b.Fatalf("still not calm after 5 minutes: %v", spent)
		}
	}
}

// chassis adds a Chassis row for each simulated node, without which northd
// would have less to do than in a cluster.
func (l *lab) chassis(count int) {
	const batch = 50
	for first := 0; first < count; first += batch {
		var operations []string
		for i := first; i < min(first+batch, count); i++ {
			operations = append(operations,
				fmt.Sprintf(`{"op":"insert","table":"Encap","uuid-name":"e%d","row":{"type":"geneve","ip":"172.29.%d.%d","chassis_name":%q}}`, i, i/250, i%250+1, nodeName(i)),
				fmt.Sprintf(`{"op":"insert","table":"Chassis","row":{"name":%q,"hostname":%q,"encaps":["named-uuid","e%d"]}}`, nodeName(i), nodeName(i), i))
		}
		l.ovn.SB.Transact(operations...)
	}
}

// rows counts the rows of a northbound table.
func (l *lab) rows(table string) int {
	return strings.Count(l.ovn.NB.Dump(table, "_uuid"), "_uuid")
}

func (l *lab) counted(ctx context.Context) map[string]int {
	count, err := l.writes(ctx)
	l.must(err)
	return count
}
