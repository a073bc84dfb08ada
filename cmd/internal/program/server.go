package program

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	kubeovnv1 "hawser/api/v1"
)

// Server finds the API server: in the kubeconfig, or in-cluster where none is
// given. Requests are not throttled here: the API server's priority and fairness
// decides, and knows more.
func Server(kubeconfig, agent string) (*rest.Config, error) {
	find := ctrl.GetConfig
	if kubeconfig != "" {
		find = func() (*rest.Config, error) { return clientcmd.BuildConfigFromFlags("", kubeconfig) }
	}
	cfg, err := find()
	if err != nil {
		return nil, fmt.Errorf("finding the API server: %w", err)
	}
	cfg.QPS = -1
	cfg.UserAgent = agent
	return cfg, nil
}

// Scheme is the kinds that our programs speak of.
func Scheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	return scheme, errors.Join(clientgoscheme.AddToScheme(scheme), kubeovnv1.AddToScheme(scheme))
}

// Mapper knows by itself under which names the API server has the kinds that our
// programs watch. A program that had to ask would end at once while the API
// server is away, again and again, and kubelet would let it wait for minutes
// after. Kinds that it does not know are asked for when they are needed.
func Mapper(cfg *rest.Config, transport *http.Client) (meta.RESTMapper, error) {
	asking, err := apiutil.NewDynamicRESTMapper(cfg, transport)
	if err != nil {
		return nil, err
	}
	return meta.FirstHitRESTMapper{MultiRESTMapper: meta.MultiRESTMapper{known(), asking}}, nil
}

// hyphened are the kinds whose plural is not their name and an s.
var hyphened = map[string]string{"ProviderNetwork": "provider-network", "ProviderNetworkNode": "provider-network-node"}

func known() meta.RESTMapper {
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{corev1.SchemeGroupVersion, appsv1.SchemeGroupVersion, kubeovnv1.GroupVersion})
	add := func(group schema.GroupVersion, scope meta.RESTScope, kinds ...string) {
		for _, kind := range kinds {
			singular := hyphened[kind]
			if singular == "" {
				singular = strings.ToLower(kind)
			}
			mapper.AddSpecific(group.WithKind(kind), group.WithResource(singular+"s"), group.WithResource(singular), scope)
		}
	}
	add(corev1.SchemeGroupVersion, meta.RESTScopeNamespace, "Pod", "Secret")
	add(corev1.SchemeGroupVersion, meta.RESTScopeRoot, "Namespace", "Node")
	add(appsv1.SchemeGroupVersion, meta.RESTScopeNamespace, "StatefulSet")
	add(kubeovnv1.GroupVersion, meta.RESTScopeRoot, "Vpc", "Subnet", "IP", "Vlan", "ProviderNetwork", "ProviderNetworkNode")
	return mapper
}
