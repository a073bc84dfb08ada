package controller

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/plan/overlay"
)

// Defaults describe the objects that every cluster starts with.
type Defaults struct {
	Cluster      overlay.Cluster
	CIDR         string // of the default subnet
	Gateway      string
	ExcludeIPs   string // comma list
	GatewayCheck bool
	JoinCIDR     string
	JoinGateway  string
}

// Bootstrap makes the default Vpc, the default Subnet and the join Subnet if
// they do not exist. What users have made of them later is left alone.
func Bootstrap(ctx context.Context, api client.Client, d Defaults) error {
	for _, obj := range []client.Object{d.vpc(), d.joinSubnet(), d.defaultSubnet()} {
		// A restart must not even try to write what is there.
		err := api.Get(ctx, client.ObjectKeyFromObject(obj), obj.DeepCopyObject().(client.Object))
		if apierrors.IsNotFound(err) {
			err = client.IgnoreAlreadyExists(api.Create(ctx, obj))
		}
		if err != nil {
			return fmt.Errorf("creating %s %s: %w", kindOf(obj).Kind, obj.GetName(), err)
		}
	}
	return nil
}

func (d Defaults) vpc() *kubeovnv1.Vpc {
	return &kubeovnv1.Vpc{ObjectMeta: metav1.ObjectMeta{Name: d.Cluster.Vpc}}
}

func (d Defaults) defaultSubnet() *kubeovnv1.Subnet {
	return &kubeovnv1.Subnet{
		ObjectMeta: metav1.ObjectMeta{Name: d.Cluster.DefaultSubnet},
		Spec: kubeovnv1.SubnetSpec{
			Vpc: d.Cluster.Vpc, Default: true, Provider: kubeovnv1.ProviderOVN,
			CIDRBlock: d.CIDR, Gateway: d.Gateway, ExcludeIPs: listOf(d.ExcludeIPs),
			NatOutgoing: true, GatewayType: kubeovnv1.GatewayDistributed,
			DisableGatewayCheck: !d.GatewayCheck, Protocol: protocolOf(d.CIDR),
		},
	}
}

func (d Defaults) joinSubnet() *kubeovnv1.Subnet {
	return &kubeovnv1.Subnet{
		ObjectMeta: metav1.ObjectMeta{Name: d.Cluster.JoinSubnet},
		Spec: kubeovnv1.SubnetSpec{
			Vpc: d.Cluster.Vpc, Provider: kubeovnv1.ProviderOVN,
			CIDRBlock: d.JoinCIDR, Gateway: d.JoinGateway, Protocol: protocolOf(d.JoinCIDR),
		},
	}
}

func listOf(text string) []string {
	var list []string
	for _, word := range strings.Split(text, ",") {
		if word = strings.TrimSpace(word); word != "" {
			list = append(list, word)
		}
	}
	return list
}

// protocolOf tells the families of a CIDR block.
func protocolOf(cidr string) string {
	var v4, v6 bool
	for _, word := range listOf(cidr) {
		if prefix, err := netip.ParsePrefix(word); err == nil {
			v4, v6 = v4 || prefix.Addr().Is4(), v6 || prefix.Addr().Is6()
		}
	}
	switch {
	case v4 && v6:
		return kubeovnv1.ProtocolDual
	case v6:
		return kubeovnv1.ProtocolIPv6
	}
	return kubeovnv1.ProtocolIPv4
}
