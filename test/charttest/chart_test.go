package charttest

import (
	"flag"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	agent "hawser/internal/agent/options"
	controller "hawser/internal/controller/options"
)

// master is a value that every rendering without a cluster needs.
const master = "masterNodes={172.30.0.2}"

func TestLint(t *testing.T) {
	if out, err := helm(t, "lint", "--strict"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestEveryContainerHasLimitsAndNoMorePowerThanItNeeds(t *testing.T) {
	allowed := map[string][]corev1.Capability{
		"openvswitch": {"NET_ADMIN", "NET_RAW", "SYS_MODULE"},
		"cni-server":  {"NET_ADMIN", "NET_RAW", "SYS_ADMIN"},
	}
	for workload, pod := range render(t, master, "ENABLE_SSL=true").pods() {
		if !strings.HasPrefix(pod.Spec.PriorityClassName, "system-") || !pod.Spec.HostNetwork {
			t.Errorf("%s: priority class %q, host network %t", workload, pod.Spec.PriorityClassName, pod.Spec.HostNetwork)
		}
		for _, container := range containers(pod) {
			name := workload + "/" + container.Name
			if container.Resources.Requests.Cpu().IsZero() || container.Resources.Requests.Memory().IsZero() || container.Resources.Limits.Memory().IsZero() {
				t.Errorf("%s: resources %v", name, container.Resources)
			}
			security := container.SecurityContext
			if security == nil || security.Privileged != nil || *security.AllowPrivilegeEscalation {
				t.Errorf("%s: security context %v", name, security)
				continue
			}
			if !slices.Equal(security.Capabilities.Drop, []corev1.Capability{"ALL"}) ||
				!slices.Equal(security.Capabilities.Add, allowed[container.Name]) {
				t.Errorf("%s: capabilities %v", name, security.Capabilities)
			}
		}
	}
}

// TestLockedMemory: a runtime that lacks the capability itself could not start an
// agent that has it, so that it is given on demand only.
func TestLockedMemory(t *testing.T) {
	for value, want := range map[string]bool{"false": false, "true": true} {
		agent := render(t, master, "agent.lockedMemory="+value).pods()["kube-ovn-cni"]
		for _, container := range containers(agent) {
			if has := slices.Contains(container.SecurityContext.Capabilities.Add, "SYS_RESOURCE"); container.Name == "cni-server" && has != want {
				t.Errorf("lockedMemory %s: SYS_RESOURCE is given: %t", value, has)
			}
		}
	}
}

// Tools select by these.
func TestContractNames(t *testing.T) {
	o := render(t, master)
	for workload, app := range map[string]string{
		"ovn-central": "ovn-central", "ovs-ovn": "ovs", "kube-ovn-cni": "kube-ovn-cni", "kube-ovn-controller": "kube-ovn-controller",
	} {
		if got := o.pods()[workload].Labels["app"]; got != app {
			t.Errorf("pods of %s have app=%s", workload, got)
		}
	}
	for service, label := range map[string]string{"ovn-nb": "ovn-nb-leader", "ovn-sb": "ovn-sb-leader", "ovn-northd": "ovn-northd-leader"} {
		selector := get[*corev1.Service](t, o, service).Spec.Selector
		if selector["app"] != "ovn-central" || selector[label] != "true" {
			t.Errorf("Service %s selects %v", service, selector)
		}
	}
	if got := get[*appsv1.DaemonSet](t, o, "ovs-ovn").Spec.UpdateStrategy.Type; got != appsv1.OnDeleteDaemonSetStrategyType {
		t.Errorf("ovs-ovn is updated by %s", got)
	}
	for _, name := range []string{"ovn-central", "kube-ovn-controller"} {
		get[*policyv1.PodDisruptionBudget](t, o, name)
	}
}

func TestReplicasFollowMasterNodes(t *testing.T) {
	for _, values := range [][]string{
		{"masterNodes={10.0.0.1,10.0.0.2,10.0.0.3}"},
		{`MASTER_NODES=10.0.0.1\,10.0.0.2\,10.0.0.3`, "masterNodes={10.9.9.9}"},
	} {
		o := render(t, values...)
		for _, name := range []string{"ovn-central", "kube-ovn-controller"} {
			if got := *get[*appsv1.Deployment](t, o, name).Spec.Replicas; got != 3 {
				t.Errorf("%v: %s has %d replicas", values, name, got)
			}
		}
		for workload, pod := range o.pods() {
			for _, container := range pod.Spec.Containers {
				if got := environment(container)["OVN_DB_IPS"]; got != "10.0.0.1,10.0.0.2,10.0.0.3" {
					t.Errorf("%v: %s/%s looks for databases at %q", values, workload, container.Name, got)
				}
			}
		}
	}
}

func TestRanges(t *testing.T) {
	for name, test := range map[string]struct {
		values []string
		want   []string
	}{
		"IPv4": {nil, []string{
			"--default-cidr=10.16.0.0/16", "--node-switch-cidr=100.64.0.0/16", "--service-cluster-ip-range=10.96.0.0/12",
		}},
		"IPv6": {[]string{"networking.stack=IPv6"}, []string{
			"--default-cidr=fd00:10:16::/112", "--node-switch-cidr=fd00:100:64::/112", "--service-cluster-ip-range=fd00:10:96::/112",
		}},
		"both": {[]string{"networking.stack=Dual", "networking.pods.gateway.v4=10.16.0.9", "networking.pods.excludeIPs={10.16.0.2..10.16.0.8}"}, []string{
			"--default-cidr=10.16.0.0/16,fd00:10:16::/112", "--default-gateway=10.16.0.9", "--default-exclude-ips=10.16.0.2..10.16.0.8",
		}},
		"known names": {[]string{`POD_CIDR=10.1.0.0/16\,fd01::/112`, "SVC_CIDR=10.2.0.0/16", "JOIN_CIDR=10.3.0.0/16", "POD_GATEWAY=10.1.0.9", "EXCLUDE_IPS=10.1.0.1"}, []string{
			"--default-cidr=10.1.0.0/16,fd01::/112", "--service-cluster-ip-range=10.2.0.0/16",
			"--node-switch-cidr=10.3.0.0/16", "--default-gateway=10.1.0.9", "--default-exclude-ips=10.1.0.1",
		}},
	} {
		arguments := render(t, append(test.values, master)...).pods()["kube-ovn-controller"].Spec.Containers[0].Args
		for _, want := range test.want {
			if !slices.Contains(arguments, want) {
				t.Errorf("%s: no %s in %v", name, want, arguments)
			}
		}
	}
}

// What the chart passes is what the programs take, and they find nothing wrong
// with it.
func TestProgramsTakeTheirArguments(t *testing.T) {
	pods := render(t, master, "networking.stack=Dual", "IFACE=eth1", "ENABLE_SSL=true").pods()
	t.Run("controller", func(t *testing.T) {
		var o controller.Options
		flags := flag.NewFlagSet("", flag.ContinueOnError)
		flags.SetOutput(io.Discard)
		o.Bind(flags)
		container := pods["kube-ovn-controller"].Spec.Containers[0]
		if err := flags.Parse(container.Args); err != nil {
			t.Fatal(err)
		}
		o.Environment(lookup(container))
		if err := o.Validate(); err != nil {
			t.Error(err)
		}
		if got := o.Endpoints(); !slices.Equal(got, []string{"ssl:[172.30.0.2]:6641"}) {
			t.Errorf("northbound database at %v", got)
		}
	})
	t.Run("agent", func(t *testing.T) {
		var o agent.Options
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		o.Bind(flags)
		container := pods["kube-ovn-cni"].Spec.Containers[0]
		if err := flags.Parse(container.Args); err != nil {
			t.Fatal(err)
		}
		o.Environment(lookup(container))
		if err := o.Validate(); err != nil {
			t.Error(err)
		}
		if o.Interface != "eth1" || o.ConflistPath() != "/etc/cni/net.d/01-kube-ovn.conflist" || len(o.Ignored()) > 0 {
			t.Errorf("interface %q, configuration %q, without effect %v", o.Interface, o.ConflistPath(), o.Ignored())
		}
	})
}

// lookup is the container's environment; what comes from the pod gets some value.
func lookup(container corev1.Container) func(string) (string, bool) {
	values := environment(container)
	return func(name string) (string, bool) {
		value, found := values[name]
		if found && value == "" {
			value = "some"
		}
		return value, found
	}
}

func TestTLS(t *testing.T) {
	for _, value := range []string{"ENABLE_SSL=true", "networking.enableSSL=true"} {
		for workload, optional := range map[string]bool{"ovn-central": false, "ovs-ovn": false, "kube-ovn-controller": true} {
			pod := render(t, master, value).pods()[workload]
			mounted := slices.ContainsFunc(pod.Spec.Containers[0].VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == "/var/run/tls" })
			i := slices.IndexFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == "tls" })
			if !mounted || i < 0 || pod.Spec.Volumes[i].Secret.SecretName != "kube-ovn-tls" {
				t.Errorf("%s: %s has no certificates", value, workload)
				continue
			}
			if got := pod.Spec.Volumes[i].Secret.Optional; (got != nil && *got) != optional {
				t.Errorf("%s: %s: optional is %v", value, workload, got)
			}
		}
	}
	for workload, pod := range render(t, master).pods() {
		if slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == "tls" }) {
			t.Errorf("%s waits for certificates that nobody makes", workload)
		}
	}
}

func TestSchemaRefuses(t *testing.T) {
	for _, value := range []string{
		"networking.stak=Dual", "networking.stack=dual", "POD_CDIR=10.0.0.0/8", "POD_CIDR=10.0.0.0", "ovs.datapath=dpdk",
		"NETWORK_TYPE=vxlan", "masterNodes={cp}", "ENABLE_SSL=yes", "controller.replicas=-1", "global.images.ovn.tga=x",
		"networking.pods.cidr.v4=fd00::/64", "central.resources.request.cpu=1",
	} {
		out, err := helm(t, "template", "kube-ovn", "--set", master, "--set", value)
		if err == nil {
			t.Errorf("%s is taken", value)
		} else if !strings.Contains(out, "schema") {
			t.Errorf("%s is refused by something else:\n%s", value, out)
		}
	}
}

func TestUninstallKeepsObjectsAndFreesThem(t *testing.T) {
	o := render(t, master)
	crds := 0
	for _, object := range o {
		if crd, ok := object.(*apiextensionsv1.CustomResourceDefinition); ok {
			crds++
			if crd.Annotations["helm.sh/resource-policy"] != "keep" {
				t.Errorf("%s would be deleted with the release, and all its objects", crd.Name)
			}
		}
	}
	if crds == 0 {
		t.Error("no CRDs")
	}
	// Two minutes for the controllers to end and one for provider networks to let
	// go of their NICs: well within the five that helm waits for a hook.
	job := get[*batchv1.Job](t, o, "kube-ovn-cleanup")
	if job.Annotations["helm.sh/hook"] != "pre-delete" || *job.Spec.ActiveDeadlineSeconds > 180 {
		t.Errorf("cleanup is hook %q with a deadline of %d s", job.Annotations["helm.sh/hook"], *job.Spec.ActiveDeadlineSeconds)
	}
	// What the job needs is a hook too, else it is gone when it is needed.
	for _, object := range o {
		if object.GetName() == "kube-ovn-cleanup" && object.GetAnnotations()["helm.sh/hook"] != "pre-delete" {
			t.Errorf("%T kube-ovn-cleanup is no hook", object)
		}
	}
}

// Nobody may do everything, and what a node's agent may do is little: its token
// lies on every node.
func TestRoles(t *testing.T) {
	o := render(t, master)
	for _, object := range o {
		role, ok := object.(*rbacv1.ClusterRole)
		if !ok {
			continue
		}
		for _, rule := range role.Rules {
			if slices.Contains(rule.Verbs, "*") || slices.Contains(rule.APIGroups, "*") || slices.Contains(rule.Resources, "secrets") {
				t.Errorf("%s: %v", role.Name, rule)
			}
		}
	}
	for _, rule := range get[*rbacv1.ClusterRole](t, o, "kube-ovn-cni").Rules {
		writes := slices.ContainsFunc(rule.Verbs, func(verb string) bool { return !slices.Contains([]string{"get", "list", "watch"}, verb) })
		if writes && !slices.Equal(rule.Resources, []string{"nodes", "nodes/status"}) && !slices.Equal(rule.Resources, []string{"events"}) &&
			!slices.Equal(rule.Resources, []string{"provider-network-nodes/status"}) {
			t.Errorf("the agent may %v %v", rule.Verbs, rule.Resources)
		}
	}
}
