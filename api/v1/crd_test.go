package v1_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"

	v1 "hawser/api/v1"
)

// plurals of every kind in this package.
var plurals = []string{"vpcs", "subnets", "ips", "provider-networks", "provider-network-nodes", "vlans"}

// server judges objects of one kind as an API server that has our CRD would: by
// the structural schema and the CEL rules, under its limits of cost.
type server struct {
	structural *schema.Structural
	schema     validation.SchemaValidator
	cel        *cel.Validator
}

func newServer(t *testing.T, plural string) server {
	t.Helper()
	props := loadCRD(t, plural).Spec.Validation
	structural, err := schema.NewStructural(props.OpenAPIV3Schema)
	if err != nil {
		t.Fatal(err)
	}
	validator, _, err := validation.NewSchemaValidator(props.OpenAPIV3Schema)
	if err != nil {
		t.Fatal(err)
	}
	return server{structural, validator, cel.NewValidator(structural, true, celconfig.PerCallLimit)}
}

// judge is what the API server answers to a new object: nothing, or why it
// refuses.
func (s server) judge(t *testing.T, manifest string) string {
	t.Helper()
	return s.judgeChange(t, "", manifest)
}

// judgeChange is what it answers when an object is to become another one; no
// manifest is an object that was not there.
func (s server) judgeChange(t *testing.T, from, to string) string {
	t.Helper()
	object, old := read(t, to), read(t, from)
	if unknown := pruning.PruneWithOptions(object, s.structural, true, pruneOptions); len(unknown) > 0 {
		return "unknown field " + strings.Join(unknown, ", ")
	}
	errs := validation.ValidateCustomResource(nil, object, s.schema)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, s.structural, object)...)
	var before any // and not an empty object
	if old != nil {
		before = old
	}
	celErrs, _ := s.cel.Validate(t.Context(), nil, s.structural, object, before, celconfig.RuntimeCELCostBudget)
	if errs = append(errs, celErrs...); len(errs) > 0 {
		return errs.ToAggregate().Error()
	}
	return ""
}

func read(t *testing.T, manifest string) (object map[string]any) {
	t.Helper()
	if manifest == "" {
		return nil
	}
	text, err := yaml.YAMLToJSONStrict([]byte(manifest))
	if err != nil {
		t.Fatalf("the test's manifest: %v", err)
	}
	// The API server's own reader: it keeps integers apart from floating point.
	if err := utiljson.Unmarshal(text, &object); err != nil {
		t.Fatalf("the test's manifest: %v", err)
	}
	return object
}

var pruneOptions = schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}

func loadCRD(t *testing.T, plural string) *apiextensions.CustomResourceDefinition {
	t.Helper()
	path := filepath.Join("../../charts/kube-ovn/templates/crds", "kubeovn.io_"+plural+".yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(text, &crd); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	apiextensionsv1.SetDefaults_CustomResourceDefinition(&crd)
	apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&crd.Spec)
	internal := &apiextensions.CustomResourceDefinition{}
	if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(&crd, internal, nil); err != nil {
		t.Fatal(err)
	}
	internal.Status.StoredVersions = []string{v1.GroupVersion.Version}
	return internal
}

// TestAPIServerAcceptsCRDs runs the API server's checks on the CRDs themselves:
// structure, names, and CEL that compiles and whose worst cost is bounded.
func TestAPIServerAcceptsCRDs(t *testing.T) {
	for _, plural := range plurals {
		t.Run(plural, func(t *testing.T) {
			crd := loadCRD(t, plural)
			if errs := crdvalidation.ValidateCustomResourceDefinition(t.Context(), crd); len(errs) > 0 {
				t.Error(errs.ToAggregate())
			}
			if crd.Annotations["helm.sh/resource-policy"] != "keep" {
				t.Error("uninstalling the chart would delete the CRD and every object of it")
			}
		})
	}
}

// TestNamesOfContract holds what kubectl and manifests call the kinds.
func TestNamesOfContract(t *testing.T) {
	want := map[string]struct {
		singular, short string
		status          bool
		columns         string
	}{
		"subnets": {"subnet", "subnet", true, "Provider Vpc Vlan Protocol CIDR Private NAT Default GatewayType V4Used V4Available V6Used V6Available ExcludeIPs U2OInterconnectionIP"},
		"vpcs":    {"vpc", "vpc", true, "EnableExternal EnableBfd Standby Subnets ExtraExternalSubnets Namespaces DefaultSubnet Age"},
		"ips":     {"ip", "ip", false, "V4IP V6IP Mac Node Subnet"},
		"vlans":   {"vlan", "vlan", true, "ID Provider conflict"},

		"provider-networks":      {"provider-network", "pn", true, "DefaultInterface Ready"},
		"provider-network-nodes": {"provider-network-node", "pnn", true, "Provider Node Interfaces Attachment Phase Reason Loop Message"},
	}
	for _, plural := range plurals {
		t.Run(plural, func(t *testing.T) {
			spec, want := loadCRD(t, plural).Spec, want[plural]
			if spec.Names.Singular != want.singular || !slices.Equal(spec.Names.ShortNames, []string{want.short}) {
				t.Errorf("names are %+v", spec.Names)
			}
			if spec.Scope != apiextensions.ClusterScoped {
				t.Errorf("scope is %s", spec.Scope)
			}
			if status := spec.Subresources != nil && spec.Subresources.Status != nil; status != want.status {
				t.Errorf("status subresource: %v", status)
			}
			var columns []string
			for _, column := range spec.AdditionalPrinterColumns {
				columns = append(columns, column.Name)
			}
			if got := strings.Join(columns, " "); got != want.columns {
				t.Errorf("columns are\n%s, not\n%s", got, want.columns)
			}
		})
	}
}

// TestFieldsOfContract holds every field, with its type, of the schemas.
func TestFieldsOfContract(t *testing.T) {
	for _, plural := range plurals {
		t.Run(plural, func(t *testing.T) {
			want, err := os.ReadFile(filepath.Join("testdata", plural+".fields"))
			if err != nil {
				t.Fatal(err)
			}
			root := loadCRD(t, plural).Spec.Validation.OpenAPIV3Schema
			var got []string
			for _, part := range []string{"spec", "status"} {
				if props, ok := root.Properties[part]; ok {
					got = append(got, fields(part, props)...)
				}
			}
			slices.Sort(got)
			if text := strings.Join(got, "\n") + "\n"; text != string(want) {
				t.Errorf("fields are\n%s, not\n%s", text, want)
			}
		})
	}
}

// fields lists path and type of all that is under one schema. What apimachinery
// defines (a label selector) is not opened.
func fields(path string, props apiextensions.JSONSchemaProps) []string {
	kind, inner := props.Type, props
	if props.Items != nil {
		inner = *props.Items.Schema
		kind = "[]" + inner.Type
	}
	line := []string{path + " " + kind}
	if path == "spec" || path == "status" {
		line = nil
	}
	if _, selector := inner.Properties["matchLabels"]; selector || strings.HasSuffix(path, ".conditions") {
		return line
	}
	for name, child := range inner.Properties {
		line = append(line, fields(path+"."+name, child)...)
	}
	return line
}

// TestTypesMatchSchema sends a Go value with every field set through the schema:
// what Go writes, the API server takes and prunes nothing of.
func TestTypesMatchSchema(t *testing.T) {
	for plural, object := range map[string]any{
		"subnets": fullSubnet(), "vpcs": fullVpc(), "ips": fullIP(),
		"provider-networks": fullProviderNetwork(), "provider-network-nodes": fullProviderNetworkNode(), "vlans": fullVlan(),
	} {
		t.Run(plural, func(t *testing.T) {
			text, err := json.Marshal(object)
			if err != nil {
				t.Fatal(err)
			}
			if refusal := newServer(t, plural).judge(t, string(text)); refusal != "" {
				t.Errorf("%s\n%s", refusal, text)
			}
		})
	}
}
