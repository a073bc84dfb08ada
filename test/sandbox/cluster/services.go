package cluster

import (
	"bytes"
	"embed"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"hawser/test/sandbox/machine"
)

//go:embed files
var files embed.FS

// render fills in one of the embedded files.
func render(name string, values any) ([]byte, error) {
	parsed, err := template.ParseFS(files, "files/"+name)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, values); err != nil {
		return nil, fmt.Errorf("fill in %s: %w", name, err)
	}
	return out.Bytes(), nil
}

// values are what the embedded files may name.
type values struct {
	Name, Any, DNS, AllDNS, Pods, ProxyMode, CoreDNS, Policy string
	ControlPlane                                             bool
}

func (o Options) values(name string) values {
	v := values{
		Name: name, ControlPlane: name == controlPlane, Any: "0.0.0.0", Policy: "SingleStack",
		DNS: pick(o, dns4, dns6)[0], AllDNS: joined(o, `"`+dns4+`"`, `"`+dns6+`"`),
		Pods: joined(o, pods4, pods6), ProxyMode: o.ProxyMode, CoreDNS: corednsTag,
	}
	if o.Family != "ipv4" {
		v.Any = "::"
	}
	if o.Family == "dual" {
		v.Policy = "RequireDualStack"
	}
	return v
}

// searchPath is where programs of a machine are, the sandbox's own first.
const searchPath = kubernetesDir + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

const (
	hostModules   = "/lib/modules"
	kubernetesDir = "/opt/kubernetes/bin"
	agnhostDir    = "/opt/agnhost"
)

// sysctlShadows are what kubelet insists on and are the whole host's.
var sysctlShadows = map[string]string{
	"vm/overcommit_memory": "1", "vm/panic_on_oom": "0",
	"kernel/panic": "10", "kernel/panic_on_oops": "1",
	"kernel/keys/root_maxkeys": "1000000", "kernel/keys/root_maxbytes": "25000000",
}

// spec says how to boot a machine.
func (c *Cluster) spec(name string) (machine.Spec, error) {
	spec := machine.Spec{
		Name: name, Root: c.tools.Rootfs, Dir: c.machineDir(name), Path: searchPath,
		Disks:   map[string]string{"/var/log": "log"},
		Shadows: sysctlShadows,
		Files:   c.identity(name),
	}
	if !c.isNode(name) {
		spec.Tools = map[string]string{agnhostDir: filepath.Dir(c.tools.Agnhost)}
		spec.Services = []machine.Service{{Name: "netexec", Args: []string{agnhostDir + "/agnhost", "netexec", "--http-port=80", "--udp-port=8081"}}}
		return spec, nil
	}
	for at, disk := range nodeDisks {
		spec.Disks[at] = disk
	}
	spec.Tools = map[string]string{kubernetesDir: c.tools.Kubernetes}
	if _, err := os.Stat(hostModules); err == nil { // what modprobe in a node may load
		spec.Tools["/usr/lib/modules"] = hostModules
	}
	own, err := c.nodeFiles(name)
	if err != nil {
		return spec, err
	}
	spec.Files = append(spec.Files, own...)
	spec.Services = c.nodeServices(name)
	if name == controlPlane {
		spec.Disks["/var/lib/etcd"] = "etcd"
		masters, err := c.controlPlaneFiles()
		if err != nil {
			return spec, err
		}
		spec.Files = append(spec.Files, masters...)
		spec.Services = append(c.controlPlaneServices(), spec.Services...)
	}
	return spec, nil
}

// nodeDisks are what a real node has on its disk. containerd could not even
// put its snapshots on the root, which is an overlay already.
var nodeDisks = map[string]string{
	"/var/lib/containerd": "containerd", "/var/lib/kubelet": "kubelet",
	"/etc/cni/net.d": "cni-conf", "/opt/cni/bin": "cni-bin", "/etc/origin": "origin",
}

// identity is what tells one machine from another.
func (c *Cluster) identity(name string) []machine.File {
	hosts := "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
	for _, other := range c.options.machines() {
		for _, address := range c.options.plain(other) {
			hosts += address + " " + other + "\n"
		}
	}
	text := func(path, content string) machine.File {
		return machine.File{Path: path, Content: []byte(content), Mode: 0o644}
	}
	return []machine.File{
		text("/etc/hostname", name+"\n"), text("/etc/hosts", hosts), text("/etc/resolv.conf", ""),
		text("/etc/machine-id", fmt.Sprintf("%032x\n", []byte(name))),
	}
}

// fromPKI copies files of the authority into a machine.
func (c *Cluster) fromPKI(pairs map[string]string) ([]machine.File, error) {
	var list []machine.File
	for at, name := range pairs {
		content, err := os.ReadFile(c.authority.path(name))
		if err != nil {
			return nil, err
		}
		list = append(list, machine.File{Path: "/etc/kubernetes/" + at, Content: content, Mode: 0o600})
	}
	return list, nil
}

func (c *Cluster) nodeFiles(name string) ([]machine.File, error) {
	list, err := c.fromPKI(map[string]string{"ca.crt": "ca.crt", "node.crt": name + ".crt", "node.key": name + ".key"})
	if err != nil {
		return nil, err
	}
	for at, file := range map[string]string{
		"/etc/containerd/config.toml": "containerd.toml", "/etc/kubernetes/kubelet.yaml": "kubelet.yaml",
		"/etc/kubernetes/kube-proxy.yaml": "kube-proxy.yaml",
	} {
		content, err := render(file, c.options.values(name))
		if err != nil {
			return nil, err
		}
		list = append(list, machine.File{Path: at, Content: content, Mode: 0o644})
	}
	return c.addKubeconfigs(list, map[string]string{"kubelet.conf": name, "proxy.conf": "proxy"})
}

func (c *Cluster) addKubeconfigs(list []machine.File, who map[string]string) ([]machine.File, error) {
	for at, pair := range who {
		content, err := c.authority.kubeconfig(pair, c.options.server())
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(at, "/") {
			at = "/etc/kubernetes/" + at
		}
		list = append(list, machine.File{Path: at, Content: content, Mode: 0o600})
	}
	return list, nil
}

var containerdArgs = []string{"containerd", "--config", "/etc/containerd/config.toml"}

func (c *Cluster) nodeServices(name string) []machine.Service {
	kubelet := []string{
		"kubelet", "--config=/etc/kubernetes/kubelet.yaml", "--kubeconfig=/etc/kubernetes/kubelet.conf",
		"--node-ip=" + strings.Join(c.options.plain(name), ","), "--hostname-override=" + name,
		"--root-dir=/var/lib/kubelet", "--cert-dir=/var/lib/kubelet/pki",
	}
	const socket = "unix:/run/containerd/containerd.sock"
	return []machine.Service{
		{Name: "containerd", Args: containerdArgs, After: "file:/var/lib/containerd/" + stocked},
		{Name: "kubelet", Args: kubelet, After: socket},
		{Name: "kube-proxy", Args: []string{"kube-proxy", "--config=/etc/kubernetes/kube-proxy.yaml"}, After: c.options.server() + "/readyz"},
	}
}

func (c *Cluster) controlPlaneFiles() ([]machine.File, error) {
	list, err := c.fromPKI(map[string]string{
		"apiserver.crt": "apiserver.crt", "apiserver.key": "apiserver.key", "ca.key": "ca.key",
		"kubelet-client.crt": "apiserver-kubelet.crt", "kubelet-client.key": "apiserver-kubelet.key",
		"front-proxy.crt": "front-proxy.crt", "front-proxy.key": "front-proxy.key",
		"sa.key": "sa.key", "sa.pub": "sa.pub",
	})
	if err != nil {
		return nil, err
	}
	return c.addKubeconfigs(list, map[string]string{
		"controller-manager.conf": "controller-manager", "scheduler.conf": "scheduler", "/root/.kube/config": "admin",
	})
}

func (c *Cluster) controlPlaneServices() []machine.Service {
	const store = "http://127.0.0.1:2379"
	ready := c.options.server() + "/readyz"
	address := c.options.addresses(controlPlane)[0].Addr().String()
	apiserver := []string{
		"kube-apiserver", "--etcd-servers=" + store, "--bind-address=" + c.options.values("").Any,
		"--advertise-address=" + address, "--secure-port=6443",
		"--tls-cert-file=/etc/kubernetes/apiserver.crt", "--tls-private-key-file=/etc/kubernetes/apiserver.key",
		"--client-ca-file=/etc/kubernetes/ca.crt", "--kubelet-certificate-authority=/etc/kubernetes/ca.crt",
		"--kubelet-client-certificate=/etc/kubernetes/kubelet-client.crt", "--kubelet-client-key=/etc/kubernetes/kubelet-client.key",
		"--kubelet-preferred-address-types=InternalIP", "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-signing-key-file=/etc/kubernetes/sa.key", "--service-account-key-file=/etc/kubernetes/sa.pub",
		"--service-cluster-ip-range=" + joined(c.options, services4, services6), "--allow-privileged=true",
		"--requestheader-client-ca-file=/etc/kubernetes/ca.crt", "--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group", "--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=/etc/kubernetes/front-proxy.crt", "--proxy-client-key-file=/etc/kubernetes/front-proxy.key",
	}
	manager := append([]string{"kube-controller-manager"}, identityFlags("controller-manager")...)
	manager = append(manager,
		"--service-account-private-key-file=/etc/kubernetes/sa.key", "--root-ca-file=/etc/kubernetes/ca.crt",
		"--cluster-signing-cert-file=/etc/kubernetes/ca.crt", "--cluster-signing-key-file=/etc/kubernetes/ca.key",
		"--use-service-account-credentials=true", "--allocate-node-cidrs=false",
		"--node-monitor-grace-period=20s")
	scheduler := append([]string{"kube-scheduler"}, identityFlags("scheduler")...)
	return []machine.Service{
		// Without syncs to disk: the host's crash costs a sandbox, a machine's does not.
		{Name: "etcd", Args: []string{
			"etcd", "--name=cp", "--data-dir=/var/lib/etcd/member", "--unsafe-no-fsync", "--logger=zap", "--log-level=warn",
			"--listen-client-urls=" + store, "--advertise-client-urls=" + store,
			"--listen-peer-urls=http://127.0.0.1:2380", "--initial-advertise-peer-urls=http://127.0.0.1:2380",
			"--initial-cluster=cp=http://127.0.0.1:2380", "--quota-backend-bytes=4294967296",
		}},
		{Name: "kube-apiserver", Args: apiserver, After: "tcp:127.0.0.1:2379"},
		// Both end at once when the roles that the API server makes are not there yet.
		{Name: "kube-controller-manager", Args: manager, After: ready},
		{Name: "kube-scheduler", Args: scheduler, After: ready},
	}
}

// identityFlags let a control plane program act as itself; there is one of
// each, so that electing a leader would only cost time.
func identityFlags(name string) []string {
	file := "/etc/kubernetes/" + name + ".conf"
	return []string{
		"--kubeconfig=" + file, "--authentication-kubeconfig=" + file, "--authorization-kubeconfig=" + file,
		"--leader-elect=false", "--bind-address=127.0.0.1", "--cert-dir=/run/kubernetes/" + name,
	}
}

// certificates issues a pair to everybody.
func (c *Cluster) certificates() error {
	people := map[string]person{
		"admin": {name: "admin", groups: []string{"system:masters"}},
		"apiserver": {
			name:      "kube-apiserver",
			addresses: append(pick(c.options, api4, api6), append(c.options.plain(controlPlane), net.IPv4(127, 0, 0, 1).String(), net.IPv6loopback.String())...),
			names:     []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
		},
		"apiserver-kubelet":  {name: "kube-apiserver", groups: []string{"system:masters"}},
		"front-proxy":        {name: "front-proxy-client"},
		"controller-manager": {name: "system:kube-controller-manager"},
		"scheduler":          {name: "system:kube-scheduler"},
		"proxy":              {name: "system:kube-proxy", groups: []string{"system:node-proxier"}},
	}
	for _, node := range c.options.nodes() {
		people[node] = person{name: "system:node:" + node, groups: []string{"system:nodes"}, addresses: c.options.plain(node), names: []string{node}}
	}
	for file, p := range people {
		if err := c.authority.issue(file, p); err != nil {
			return err
		}
	}
	return nil
}
