// Package charttest tests charts/kube-ovn as helm renders it, without a cluster.
package charttest

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"hawser/test/rootfs"
	"hawser/test/sandbox/tools"
)

// kubeVersion is what helm takes the cluster for.
const kubeVersion = "1.37.0"

// helm runs helm on the chart and returns what it printed.
func helm(t testing.TB, command string, arguments ...string) (string, error) {
	t.Helper()
	source, err := rootfs.Source()
	if err != nil {
		t.Fatal(err)
	}
	program, err := tools.Builder{Source: source, Cache: tools.CacheDir(), Say: t.Logf}.Helm(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := append([]string{command}, arguments...)
	all = append(all, filepath.Join(source, "charts/kube-ovn"), "--namespace", "kube-system", "--kube-version", kubeVersion)
	out, err := exec.CommandContext(t.Context(), program, all...).CombinedOutput()
	return string(out), err
}

// objects are everything that the chart installs, as typed values; a field that
// the API does not have fails the test.
type objects []client.Object

// render renders the chart with values as `helm --set` takes them.
func render(t testing.TB, values ...string) objects {
	t.Helper()
	arguments := []string{"kube-ovn"}
	for _, value := range values {
		arguments = append(arguments, "--set", value)
	}
	out, err := helm(t, "template", arguments...)
	if err != nil {
		t.Fatalf("helm template: %v\n%s", err, out)
	}
	return decode(t, out)
}

func decode(t testing.TB, text string) objects {
	t.Helper()
	scheme := kruntime.NewScheme()
	for _, add := range []func(*kruntime.Scheme) error{
		appsv1.AddToScheme, batchv1.AddToScheme, corev1.AddToScheme, policyv1.AddToScheme,
		rbacv1.AddToScheme, apiextensionsv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	strict := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
	reader := yaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	var found objects
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(document, []byte("kind:")) {
			continue // a template that rendered nothing but comments
		}
		object, _, err := strict.Decode(document, nil, nil)
		if err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		found = append(found, object.(client.Object))
	}
}

// get returns the object of a type and name.
func get[T client.Object](t testing.TB, from objects, name string) T {
	t.Helper()
	for _, object := range from {
		if typed, ok := object.(T); ok && typed.GetName() == name {
			return typed
		}
	}
	var none T
	t.Fatalf("no %T %s", none, name)
	return none
}

// pods returns the pod templates of all workloads by name.
func (o objects) pods() map[string]corev1.PodTemplateSpec {
	pods := map[string]corev1.PodTemplateSpec{}
	for _, object := range o {
		switch workload := object.(type) {
		case *appsv1.Deployment:
			pods[workload.Name] = workload.Spec.Template
		case *appsv1.DaemonSet:
			pods[workload.Name] = workload.Spec.Template
		case *batchv1.Job:
			pods[workload.Name] = workload.Spec.Template
		}
	}
	return pods
}

func containers(pod corev1.PodTemplateSpec) []corev1.Container {
	return append(append([]corev1.Container{}, pod.Spec.InitContainers...), pod.Spec.Containers...)
}

func environment(container corev1.Container) map[string]string {
	values := map[string]string{}
	for _, variable := range container.Env {
		values[variable.Name] = variable.Value
	}
	return values
}
