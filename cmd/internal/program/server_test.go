package program

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"hawser/test/apitest"
)

// TestMapperKnowsOurKinds: what the mapper knows is what the CRDs say.
func TestMapperKnowsOurKinds(t *testing.T) {
	files, err := filepath.Glob("../../../charts/kube-ovn/templates/crds/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.Unmarshal(text, &crd); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		found, err := known().RESTMapping(schema.GroupKind{Group: crd.Spec.Group, Kind: crd.Spec.Names.Kind})
		if err != nil {
			t.Errorf("%v: add the kind to known", err)
			continue
		}
		if found.Resource.Resource != crd.Spec.Names.Plural || (found.Scope.Name() == meta.RESTScopeNameRoot) != (crd.Spec.Scope == apiextensionsv1.ClusterScoped) {
			t.Errorf("%s is %v, %s", crd.Name, found.Resource, found.Scope.Name())
		}
	}
}

// TestMapperKnowsTheirKinds: what the mapper knows of Kubernetes' kinds is what
// a real API server says, which it asks for all others.
func TestMapperKnowsTheirKinds(t *testing.T) {
	server, err := apitest.Start(t.Context(), apitest.Find(t), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	cfg, err := Server(server.Kubeconfig, "test")
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.HTTPClientFor(cfg)
	if err != nil {
		t.Fatal(err)
	}
	mapper, err := Mapper(cfg, transport)
	if err != nil {
		t.Fatal(err)
	}
	asking := mapper.(meta.FirstHitRESTMapper).MultiRESTMapper[1]
	for _, kind := range []schema.GroupKind{{Kind: "Pod"}, {Kind: "Secret"}, {Kind: "Namespace"}, {Kind: "Node"}, {Group: "apps", Kind: "StatefulSet"}, {Group: "apps", Kind: "Deployment"}} {
		want, err := asking.RESTMapping(kind)
		if err != nil {
			t.Fatal(err)
		}
		got, err := mapper.RESTMapping(kind)
		if err != nil || got.Resource != want.Resource || got.Scope.Name() != want.Scope.Name() {
			t.Errorf("%v: %+v, %v", kind, got, err)
		}
	}
}

func TestServerSaysWhatIsWrong(t *testing.T) {
	if _, err := Server("/nowhere", "test"); err == nil || !strings.Contains(err.Error(), "finding the API server") {
		t.Error(err)
	}
}
