package node

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"hawser/test/apitest"
	"hawser/test/sandbox/tools"
	"hawser/test/vm"
)

func TestMain(m *testing.M) {
	if asAgent() {
		return
	}
	os.Exit(vm.Main(m, prepare))
}

// edges are the packages whose own tests run here once more, on the kernel that
// nodes have, and which of them. Those of the shared uplink that are about single
// frames are left to any other machine: their programs do the same on each, and
// they would take ten minutes here.
var edges = map[string]string{"kernel": ".", "netfilter": ".", "uplink": "ThreeLaws|AsNIC|VLANOnNIC|Upgrade|PingThrough"}

// prepare builds what scenarios run in the machine, and starts an API server for
// it, which would take half a minute in there. It runs outside.
func prepare(ctx context.Context, in *vm.Input) error {
	source, err := filepath.Abs("../../..")
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "hawser-node-")
	if err != nil {
		return err
	}
	in.AtEnd(func() { os.RemoveAll(work) })
	for edge := range edges {
		if err := edgeTests(ctx, in, filepath.Join(source, "internal", edge), work); err != nil {
			return err
		}
	}
	for _, program := range []string{"kube-ovn", "kube-ovn-controller", "kube-ovn-daemon"} {
		// As package images/build does, so that nothing is compiled twice.
		if err := build(ctx, "build", "-trimpath", "-o", work, "hawser/cmd/"+program); err != nil {
			return err
		}
		in.Files[program] = filepath.Join(work, program)
	}
	for _, script := range []string{"daemons.sh", "start-central.sh", "start-ovs.sh"} {
		in.Files[script] = filepath.Join(source, "images/ovn", script)
	}
	in.Loopback = true
	in.Files["kubeconfig"], err = serveAPI(ctx, in, source, work)
	return err
}

// edgeTests builds the tests of a package, which run in a folder of its name, and
// lays the files beside them that they read.
func edgeTests(ctx context.Context, in *vm.Input, dir, work string) error {
	edge := filepath.Base(dir)
	program := filepath.Join(work, edge+".test")
	if err := build(ctx, "test", "-c", "-o", program, dir); err != nil {
		return err
	}
	in.Files[edge+"/tests"] = program
	read, err := filepath.Glob(filepath.Join(dir, "testdata", "*"))
	for _, file := range read {
		in.Files[filepath.Join(edge, "testdata", filepath.Base(file))] = file
	}
	return err
}

func build(ctx context.Context, args ...string) error {
	command := exec.CommandContext(ctx, "go", args...)
	if args[0] == "build" {
		command.Env = append(os.Environ(), "CGO_ENABLED=0")
	}
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", command, err, out)
	}
	return nil
}

// serveAPI starts an API server that knows our kinds, and gives the file by
// which the machine reaches it.
func serveAPI(ctx context.Context, in *vm.Input, source, work string) (kubeconfig string, err error) {
	say := func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
	set, err := tools.Builder{Source: source, Cache: tools.CacheDir(), Say: say}.Build(ctx)
	if err != nil {
		return "", err
	}
	server, err := apitest.Start(ctx, apitest.Programs{Rootfs: set.Rootfs, Kubernetes: set.Kubernetes}, work)
	if err != nil {
		return "", err
	}
	in.AtEnd(server.Stop)
	clients, err := dynamic.NewForConfig(server.Config)
	if err != nil {
		return "", err
	}
	files, err := filepath.Glob(filepath.Join(source, "charts/kube-ovn/templates/crds/*.yaml"))
	if err != nil {
		return "", err
	}
	crds := clients.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	for _, file := range files {
		if err := create(ctx, crds, file); err != nil {
			return "", fmt.Errorf("%s: %w", file, err)
		}
	}
	text, err := os.ReadFile(server.Kubeconfig)
	if err != nil {
		return "", err
	}
	inside := filepath.Join(work, "kubeconfig-inside")
	return inside, os.WriteFile(inside, []byte(strings.ReplaceAll(string(text), "127.0.0.1", vm.Host)), 0o600)
}

func create(ctx context.Context, kind dynamic.ResourceInterface, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(text, &object.Object); err != nil {
		return err
	}
	_, err = kind.Create(ctx, object, metav1.CreateOptions{})
	return err
}
